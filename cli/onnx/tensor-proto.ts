/** Converts between TensorProto and Tensor: element types, and the three places where ONNX stores elements. */
import proto from "onnx-proto";
import { CommandError } from "../terminal/fail.ts";
import { type ElementType, elementCount, type Tensor } from "./graph.ts";

type ITensorProto = proto.onnx.ITensorProto;
const { DataType, DataLocation } = proto.onnx.TensorProto;

/** ONNX's number of each type, its array, and its elements in a tensor that has no raw data. */
const types = {
  float32: { code: DataType.FLOAT, Elements: Float32Array, listed: (t: ITensorProto) => t.floatData },
  int8: { code: DataType.INT8, Elements: Int8Array, listed: (t: ITensorProto) => t.int32Data },
  uint8: { code: DataType.UINT8, Elements: Uint8Array, listed: (t: ITensorProto) => t.int32Data },
  int32: { code: DataType.INT32, Elements: Int32Array, listed: (t: ITensorProto) => t.int32Data },
  int64: {
    code: DataType.INT64,
    Elements: BigInt64Array,
    listed: (t: ITensorProto) => t.int64Data?.map((value) => BigInt(String(value))),
  },
} as const satisfies Record<ElementType, unknown>;

/** ONNX's number of an element type. */
export function toProtoType(type: ElementType): number {
  return types[type].code;
}

/**
 * Element type of ONNX's number. float16 counts as float32: readers widen it.
 * @param owner Names the value in the error.
 * @throws CommandError for a type that this project does not handle.
 */
export function fromProtoType(code: number, owner: string): ElementType {
  if (code === DataType.FLOAT16) return "float32";
  const names = Object.keys(types) as ElementType[];
  const type = names.find((name) => types[name].code === code);
  if (type) return type;
  throw new CommandError(
    `"${owner}" has element type ${DataType[code] ?? code}; supported are FLOAT, FLOAT16, INT8, UINT8, INT32 and INT64. Export the model in float32.`,
  );
}

/** Returns a file that a model refers to by its path relative to the model. */
export type ReadDataFile = (location: string) => Uint8Array;

/**
 * Reads a tensor. float16 is widened to float32, which holds each of its values exactly.
 * @param readDataFile For tensors with data outside the model.
 * @throws CommandError for unknown element types and a length that does not match the shape.
 */
export function decodeTensor(source: ITensorProto, readDataFile: ReadDataFile): Tensor {
  const name = source.name ?? "";
  const dims = (source.dims ?? []).map(Number);
  const type = fromProtoType(source.dataType ?? 0, name);
  const raw = source.dataLocation === DataLocation.EXTERNAL ? external(source, readDataFile) : source.rawData;
  const data = source.dataType === DataType.FLOAT16 ? halfs(raw, source) : elements(type, raw, source);
  if (data.length !== elementCount(dims)) {
    throw new CommandError(
      `Tensor "${name}" has ${data.length} elements; its shape [${dims.join(",")}] needs ${elementCount(dims)}. The file is damaged; download or export it again.`,
    );
  }
  return { dims, type, data } as Tensor;
}

/** Raw data is little-endian, like every machine that Node runs on. It may be unaligned, so it is copied. */
function elements(type: ElementType, raw: ITensorProto["rawData"], source: ITensorProto): Tensor["data"] {
  const { Elements, listed } = types[type];
  if (raw?.byteLength) {
    const length = Math.floor(raw.byteLength / Elements.BYTES_PER_ELEMENT);
    return new Elements(new Uint8Array(raw).buffer, 0, length);
  }
  return (Elements as unknown as { from(values: unknown): Tensor["data"] }).from(listed(source) ?? []);
}

/** Listed elements are bit patterns in int32. */
function halfs(raw: ITensorProto["rawData"], { int32Data }: ITensorProto): Float32Array {
  if (!raw?.byteLength) return Float32Array.from(int32Data ?? [], fromHalf);
  const bits = new Uint16Array(new Uint8Array(raw).buffer, 0, Math.floor(raw.byteLength / 2));
  return Float32Array.from(bits, fromHalf);
}

/** Value of an IEEE 754 binary16: 1 bit of sign, 5 of exponent, 10 of fraction. */
function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = (bits & 1023) / 1024;
  if (exponent === 0) return sign * fraction * 2 ** -14;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction) * 2 ** (exponent - 15);
}

function external({ name, externalData }: ITensorProto, readDataFile: ReadDataFile): Uint8Array {
  const entries = new Map((externalData ?? []).map(({ key, value }) => [key, value ?? ""]));
  const file = readDataFile(entries.get("location") ?? "");
  const offset = Number(entries.get("offset") ?? 0);
  const length = Number(entries.get("length") ?? file.byteLength - offset);
  if (offset + length <= file.byteLength) return file.subarray(offset, offset + length);
  throw new CommandError(
    `Tensor "${name}" needs bytes ${offset} to ${offset + length} of ${entries.get("location")}, which has ${file.byteLength}. Copy the data file again, or export the model again.`,
  );
}

/** Writes a tensor as raw data. */
export function encodeTensor(name: string, { dims, type, data }: Tensor): ITensorProto {
  const rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { name, dims: [...dims], dataType: toProtoType(type), rawData };
}

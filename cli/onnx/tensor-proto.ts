/** Converts between TensorProto and Tensor: element types, and the two ways in which ONNX stores elements. */
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
 * Element type of ONNX's number. `owner` names the value in the error.
 * @throws CommandError for a type that this project does not handle.
 */
export function fromProtoType(code: number, owner: string): ElementType {
  const names = Object.keys(types) as ElementType[];
  const type = names.find((name) => types[name].code === code);
  if (type) return type;
  throw new CommandError(
    `"${owner}" has element type ${DataType[code] ?? code}; supported are FLOAT, INT8, UINT8, INT32 and INT64. Export the model in float32.`,
  );
}

/**
 * Reads a tensor.
 * @throws CommandError for external data, unknown element types and a length that does not match the shape.
 */
export function decodeTensor(source: ITensorProto): Tensor {
  const name = source.name ?? "";
  if (source.dataLocation === DataLocation.EXTERNAL || (source.externalData?.length ?? 0) > 0) {
    throw new CommandError(
      `Tensor "${name}" keeps its data in another file; expected it inside the .onnx file. Save the model without external data.`,
    );
  }
  const dims = (source.dims ?? []).map(Number);
  const type = fromProtoType(source.dataType ?? 0, name);
  const { Elements, listed } = types[type];
  const raw = source.rawData;
  // Raw data is little-endian, like every machine that Node runs on. It may be unaligned, so it is copied.
  const data = raw?.byteLength
    ? new Elements(new Uint8Array(raw).buffer, 0, Math.floor(raw.byteLength / Elements.BYTES_PER_ELEMENT))
    : (Elements as unknown as { from(values: unknown): Tensor["data"] }).from(listed(source) ?? []);
  if (data.length !== elementCount(dims)) {
    throw new CommandError(
      `Tensor "${name}" has ${data.length} elements; its shape [${dims.join(",")}] needs ${elementCount(dims)}. The file is damaged; download or export it again.`,
    );
  }
  return { dims, type, data } as Tensor;
}

/** Writes a tensor as raw data. */
export function encodeTensor(name: string, { dims, type, data }: Tensor): ITensorProto {
  const rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { name, dims: [...dims], dataType: toProtoType(type), rawData };
}

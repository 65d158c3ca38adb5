/** TensorProto <-> Tensor: element types and the two ways in which ONNX stores elements. */
import proto from "onnx-proto";
import { OnnxError } from "./errors.ts";
import { type ElementType, elementCount, type Tensor } from "./graph.ts";

const { TensorProto } = proto.onnx;
type ITensorProto = proto.onnx.ITensorProto;
const { DataType, DataLocation } = TensorProto;

const protoTypes: Record<ElementType, number> = {
  float32: DataType.FLOAT,
  int8: DataType.INT8,
  uint8: DataType.UINT8,
  int32: DataType.INT32,
  int64: DataType.INT64,
};

export function toProtoType(type: ElementType): number {
  return protoTypes[type];
}

/** @throws OnnxError when the type is none that this project handles. */
export function fromProtoType(code: number, owner: string): ElementType {
  for (const [type, value] of Object.entries(protoTypes)) if (value === code) return type as ElementType;
  throw new OnnxError(
    `"${owner}" has element type ${DataType[code] ?? code}; supported are FLOAT, INT8, UINT8, INT32 and INT64. Export the model in float32.`,
  );
}

/** @throws OnnxError for external data, unknown element types and lengths that do not fit the shape. */
export function decodeTensor(source: ITensorProto): Tensor {
  const name = source.name ?? "";
  if (source.dataLocation === DataLocation.EXTERNAL || (source.externalData?.length ?? 0) > 0) {
    throw new OnnxError(
      `Tensor "${name}" keeps its data in another file; expected it inside the .onnx file. Save the model without external data.`,
    );
  }
  const dims = (source.dims ?? []).map(Number);
  const type = fromProtoType(source.dataType ?? 0, name);
  const tensor = { dims, ...elements(source, type) } as Tensor;
  if (tensor.data.length !== elementCount(dims)) {
    throw new OnnxError(
      `Tensor "${name}" has ${tensor.data.length} elements; its shape [${dims.join(",")}] needs ${elementCount(dims)}. The file is damaged.`,
    );
  }
  return tensor;
}

function elements(source: ITensorProto, type: ElementType): { type: ElementType; data: Tensor["data"] } {
  const raw = source.rawData;
  if (raw != null && raw.byteLength > 0) return { type, data: viewRaw(raw, type) };
  const int32s = source.int32Data ?? [];
  switch (type) {
    case "float32":
      return { type, data: Float32Array.from(source.floatData ?? []) };
    case "int64":
      return {
        type,
        data: BigInt64Array.from((source.int64Data ?? []).map((value) => BigInt(String(value)))),
      };
    case "int8":
      return { type, data: Int8Array.from(int32s) };
    case "uint8":
      return { type, data: Uint8Array.from(int32s) };
    case "int32":
      return { type, data: Int32Array.from(int32s) };
  }
}

/** Raw data is little-endian, as are all machines Node runs on; it is copied because it may lie unaligned. */
function viewRaw(raw: Uint8Array, type: ElementType): Tensor["data"] {
  const { buffer } = new Uint8Array(raw);
  switch (type) {
    case "float32":
      return new Float32Array(buffer, 0, raw.byteLength >> 2);
    case "int64":
      return new BigInt64Array(buffer, 0, raw.byteLength >> 3);
    case "int32":
      return new Int32Array(buffer, 0, raw.byteLength >> 2);
    case "int8":
      return new Int8Array(buffer);
    case "uint8":
      return new Uint8Array(buffer);
  }
}

export function encodeTensor(name: string, tensor: Tensor): ITensorProto {
  const { data } = tensor;
  return {
    name,
    dims: [...tensor.dims],
    dataType: toProtoType(tensor.type),
    rawData: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  };
}

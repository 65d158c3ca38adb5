/** An ONNX graph in memory: the parts that this project reads and writes. Plain data, no I/O. */

/** Elements of a tensor with their type. */
export type TensorData =
  | { type: "float32"; data: Float32Array }
  | { type: "int8"; data: Int8Array }
  | { type: "uint8"; data: Uint8Array }
  | { type: "int32"; data: Int32Array }
  | { type: "int64"; data: BigInt64Array };

/** The element types that this project handles. */
export type ElementType = TensorData["type"];

/** Constant tensor, row-major; `dims` is empty for a scalar. */
export type Tensor = { dims: readonly number[] } & TensorData;

/** Attribute of a node. */
export type Attribute =
  | { kind: "int"; value: number }
  | { kind: "float"; value: number }
  | { kind: "string"; value: string }
  | { kind: "ints"; value: readonly number[] }
  | { kind: "floats"; value: readonly number[] }
  | { kind: "tensor"; value: Tensor };

/** One operation. */
export interface GraphNode {
  name: string;
  op: string;
  /** Empty for ai.onnx. */
  domain: string;
  /** An empty string is an optional input that is left out. */
  inputs: readonly string[];
  outputs: readonly string[];
  attributes: ReadonlyMap<string, Attribute>;
}

/** A number, or the name of a dimension that is free. */
export type Dimension = number | string;

/** Name, type and shape of a value. */
export interface ValueInfo {
  name: string;
  type: ElementType;
  dims: readonly Dimension[];
}

/** A model's graph. */
export interface Graph {
  name: string;
  /** Version of the ai.onnx operator set. */
  opset: number;
  /** In topological order, as ONNX requires. */
  nodes: readonly GraphNode[];
  initializers: ReadonlyMap<string, Tensor>;
  /** Values that a caller provides; without initialisers, which a file may list as inputs too. */
  inputs: readonly ValueInfo[];
  outputs: readonly ValueInfo[];
}

/** Product of the dimensions; 1 for a scalar. */
export function elementCount(dims: readonly number[]): number {
  return dims.reduce((product, dim) => product * dim, 1);
}

/** A float32 tensor. */
export function floats(dims: readonly number[], data: Float32Array): Tensor {
  return { type: "float32", dims, data };
}

/** Attributes. */
export const int = (value: number): Attribute => ({ kind: "int", value });
export const float = (value: number): Attribute => ({ kind: "float", value });
export const ints = (...value: number[]): Attribute => ({ kind: "ints", value });

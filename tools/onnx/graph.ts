/** An ONNX graph in memory: only what this project reads and writes. Pure data, no I/O. */

export type TensorData =
  | { type: "float32"; data: Float32Array }
  | { type: "int8"; data: Int8Array }
  | { type: "uint8"; data: Uint8Array }
  | { type: "int32"; data: Int32Array }
  | { type: "int64"; data: BigInt64Array };

export type ElementType = TensorData["type"];

/** Constant tensor, row-major; `dims` is empty for a scalar. */
export type Tensor = { dims: readonly number[] } & TensorData;

export type Attribute =
  | { kind: "int"; value: number }
  | { kind: "float"; value: number }
  | { kind: "string"; value: string }
  | { kind: "ints"; value: readonly number[] }
  | { kind: "floats"; value: readonly number[] }
  | { kind: "tensor"; value: Tensor };

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

/** A dimension is a number, or the name of a free one. */
export type Dimension = number | string;

export interface ValueInfo {
  name: string;
  type: ElementType;
  dims: readonly Dimension[];
}

export interface Graph {
  name: string;
  /** Version of the ai.onnx operator set. */
  opset: number;
  /** In topological order, as ONNX demands. */
  nodes: readonly GraphNode[];
  initializers: ReadonlyMap<string, Tensor>;
  /** What a caller feeds: initialisers that the file also lists as inputs are not among them. */
  inputs: readonly ValueInfo[];
  outputs: readonly ValueInfo[];
}

/** Product of the dimensions; 1 for a scalar. */
export function elementCount(dims: readonly number[]): number {
  return dims.reduce((product, dim) => product * dim, 1);
}

export function floats(dims: readonly number[], data: Float32Array): Tensor {
  return { type: "float32", dims, data };
}

export const int = (value: number): Attribute => ({ kind: "int", value });
export const float = (value: number): Attribute => ({ kind: "float", value });
export const ints = (...value: number[]): Attribute => ({ kind: "ints", value });

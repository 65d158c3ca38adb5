/** An ONNX graph in memory: the parts that this project reads and writes, and how a graph is built and cut. No I/O. */

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

/** A graph in which the type and shape of every intermediate value is known. */
export interface TypedGraph extends Graph {
  values: ReadonlyMap<string, ValueInfo>;
}

/** Collects nodes in topological order. Methods that add a value return its name. */
export class GraphBuilder {
  readonly #nodes: GraphNode[] = [];
  readonly #initializers = new Map<string, Tensor>();
  readonly #values = new Map<string, ValueInfo>();
  readonly #inputs: ValueInfo[] = [];

  /** Declares an input of the graph. */
  input(value: ValueInfo): string {
    this.#inputs.push(value);
    this.#values.set(value.name, value);
    return value.name;
  }

  /** Adds a constant, or replaces the one of that name. */
  constant(name: string, tensor: Tensor): string {
    this.#initializers.set(name, tensor);
    return name;
  }

  /** Adds an ai.onnx node with one output, which also names the node. */
  node(
    op: string,
    inputs: readonly string[],
    output: ValueInfo,
    attributes: Readonly<Record<string, Attribute>> = {},
  ): string {
    const { name } = output;
    const entries = new Map(Object.entries(attributes));
    this.#nodes.push({ name, op, domain: "", inputs, outputs: [name], attributes: entries });
    this.#values.set(name, output);
    return name;
  }

  /** Number of nodes added so far. */
  get nodeCount(): number {
    return this.#nodes.length;
  }

  /** Whether a value of that name was added. */
  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** Type and shape of a value that was added. */
  value(name: string): ValueInfo {
    const found = this.#values.get(name);
    if (found === undefined) throw new Error(`no value "${name}" in the graph being built`);
    return found;
  }

  /** The graph, with these values as its outputs. */
  build(name: string, opset: number, outputs: readonly string[]): TypedGraph {
    return {
      name,
      opset,
      nodes: this.#nodes,
      initializers: this.#initializers,
      inputs: this.#inputs,
      outputs: outputs.map((output) => this.value(output)),
      values: this.#values,
    };
  }
}

/**
 * Cuts nodes `from` (inclusive) to `to` (exclusive) out of a graph, with the constants that they use. The slice's inputs
 * are the earlier values that it or a later slice needs, and its outputs those that a later slice or the caller needs.
 * Whoever runs the slices in turn keeps only the last outputs, so a value that skips a slice is passed through it.
 */
export function sliceGraph(graph: TypedGraph, from: number, to: number): Graph {
  const nodes = graph.nodes.slice(from, to);
  const read = new Set(nodes.flatMap((node) => node.inputs));
  const needed = new Set([
    ...graph.nodes.slice(to).flatMap((node) => node.inputs),
    ...namesOf(graph.outputs),
  ]);
  const earlier = new Set([...namesOf(graph.inputs), ...outputsOf(graph.nodes.slice(0, from))]);
  const inputs = [...earlier].filter((name) => read.has(name) || needed.has(name));
  const outputs = [...inputs, ...outputsOf(nodes)].filter((name) => needed.has(name));
  const constants = [...read].filter((name) => graph.initializers.has(name));
  const describe = (name: string) => graph.values.get(name)!;
  return {
    name: graph.name,
    opset: graph.opset,
    nodes,
    initializers: new Map(constants.map((name) => [name, graph.initializers.get(name)!])),
    inputs: inputs.map(describe),
    outputs: outputs.map(describe),
  };
}

const namesOf = (values: readonly ValueInfo[]) => values.map(({ name }) => name);
const outputsOf = (nodes: readonly GraphNode[]) => nodes.flatMap((node) => node.outputs);

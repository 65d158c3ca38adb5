/** Forms in which exporters write parts of a ResNet: each changes a graph of bench/stand-in/zoo-onnx.ts. */
import { type Attribute, type Graph, type GraphNode, int, ints, type Tensor } from "../../cli/onnx/graph.ts";

/** A node with one output, named like the node. */
export function node(
  op: string,
  name: string,
  inputs: readonly string[],
  attributes: Record<string, Attribute> = {},
): GraphNode {
  return { name, op, domain: "", inputs, outputs: [name], attributes: new Map(Object.entries(attributes)) };
}

/** Replaces the only node with that operator by others, the last of which computes its output. */
function replaced(graph: Graph, op: string, write: (old: GraphNode) => GraphNode[]): Graph {
  const matching = graph.nodes.filter((candidate) => candidate.op === op);
  if (matching.length !== 1) throw new Error(`the graph has ${matching.length} ${op} nodes; expected one`);
  const nodes = graph.nodes.flatMap((candidate) => {
    if (candidate !== matching[0]) return [candidate];
    const written = write(candidate);
    return [...written.slice(0, -1), { ...written.at(-1)!, outputs: candidate.outputs }];
  });
  return { ...graph, nodes };
}

/** Adds nodes at the end, the last of which computes the graph's output. */
function appended(graph: Graph, ...nodes: GraphNode[]): Graph {
  const output = { ...graph.outputs[0]!, name: nodes.at(-1)!.name };
  return { ...graph, nodes: [...graph.nodes, ...nodes], outputs: [output] };
}

const int64 = (dims: number[], ...values: number[]): Attribute => {
  const value: Tensor = { type: "int64", dims, data: BigInt64Array.from(values, BigInt) };
  return { kind: "tensor", value };
};

/** A network for small images: no MaxPool after the stem. */
export const withoutMaxPool = (graph: Graph): Graph =>
  replaced(graph, "MaxPool", ({ inputs }) => [node("Identity", "pool", inputs)]);

/** `F.avg_pool2d(x, side)` in place of adaptive pooling. */
export const withAveragePool =
  (side: number) =>
  (graph: Graph): Graph =>
    replaced(graph, "GlobalAveragePool", ({ inputs }) => [
      node("AveragePool", "pool", inputs, { kernel_shape: ints(side, side), strides: ints(side, side) }),
    ]);

/** `x.view(x.size(0), -1)` in place of Flatten. */
export const withView = (graph: Graph): Graph =>
  replaced(graph, "Flatten", ({ inputs }) => [
    node("Shape", "shape", inputs),
    node("Constant", "zero", [], { value: int64([], 0) }),
    node("Gather", "batch", ["shape", "zero"], { axis: int(0) }),
    node("Unsqueeze", "batch_list", ["batch"], { axes: ints(0) }),
    node("Constant", "rest", [], { value: int64([1], -1) }),
    node("Concat", "new_shape", ["batch_list", "rest"], { axis: int(0) }),
    node("Reshape", "flat", [inputs[0]!, "new_shape"]),
  ]);

/** Probabilities in place of logits. */
export const withSoftmax = (graph: Graph): Graph =>
  appended(graph, node("Softmax", "probabilities", [graph.outputs[0]!.name], { axis: int(1) }));

/** A probability for each class by itself. */
export const withSigmoid = (graph: Graph): Graph =>
  appended(graph, node("Sigmoid", "probabilities", [graph.outputs[0]!.name]));

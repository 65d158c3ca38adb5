/** Takes out of a graph what exporters put in and no arithmetic needs: Identity, Dropout at inference, Constant. */
import type { Graph, GraphNode, Tensor } from "../onnx/graph.ts";

/**
 * Constants become initialisers, Identity and Dropout vanish, and whoever read their outputs reads their inputs.
 * torchvision's exporter shares equal biases through Identity nodes.
 */
export function simplify(graph: Graph): Graph {
  const aliases = new Map<string, string>();
  const initializers = new Map<string, Tensor>(graph.initializers);
  const nodes: GraphNode[] = [];
  const resolve = (name: string) => aliases.get(name) ?? name;
  for (const node of graph.nodes) {
    const [output] = node.outputs;
    const constant = node.attributes.get("value");
    if (node.op === "Constant" && output !== undefined && constant?.kind === "tensor") {
      initializers.set(output, constant.value);
    } else if ((node.op === "Identity" || node.op === "Dropout") && output !== undefined) {
      aliases.set(output, resolve(node.inputs[0] ?? ""));
    } else {
      nodes.push({ ...node, inputs: node.inputs.map(resolve) });
    }
  }
  return {
    ...graph,
    nodes,
    initializers,
    outputs: graph.outputs.map((output) => ({ ...output, name: resolve(output.name) })),
  };
}

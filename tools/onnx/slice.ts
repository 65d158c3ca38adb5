/** Cuts a run of nodes out of a graph, as a graph of its own. The whole run is the whole graph: one code path for both. */
import type { TypedGraph } from "./builder.ts";
import type { Graph, GraphNode, Tensor } from "./graph.ts";

/**
 * Nodes `from` (inclusive) to `to` (exclusive) with the constants that they use. Its inputs are the values from before
 * that it or a later run needs, its outputs those that a later run or the caller needs: whoever chains the models
 * keeps the last outputs only, so a value that skips a run is handed through it.
 */
export function sliceGraph(graph: TypedGraph, from: number, to: number): Graph {
  const nodes = graph.nodes.slice(from, to);
  const made = outputsOf(nodes);
  const before = new Set([
    ...graph.inputs.map((input) => input.name),
    ...outputsOf(graph.nodes.slice(0, from)),
  ]);
  const read = new Set(nodes.flatMap((node) => node.inputs));
  const wanted = new Set([
    ...graph.nodes.slice(to).flatMap((node) => node.inputs),
    ...graph.outputs.map((output) => output.name),
  ]);
  const inputs = Array.from(before).filter((name) => read.has(name) || wanted.has(name));
  const outputs = [...inputs, ...made].filter((name) => wanted.has(name));
  const initializers = new Map<string, Tensor>();
  for (const name of read) {
    const constant = graph.initializers.get(name);
    if (constant !== undefined) initializers.set(name, constant);
  }
  const describe = (name: string) => {
    const value = graph.values.get(name);
    if (value === undefined) throw new Error(`no type known for "${name}"`);
    return value;
  };
  return {
    name: graph.name,
    opset: graph.opset,
    nodes,
    initializers,
    inputs: inputs.map(describe),
    outputs: outputs.map(describe),
  };
}

function outputsOf(nodes: readonly GraphNode[]): string[] {
  return nodes.flatMap((node) => node.outputs);
}

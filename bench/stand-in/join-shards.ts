/** Joins a pack's shards to the one graph from which they were cut. */
import type { Graph, Tensor } from "../../cli/onnx/graph.ts";

/** @param shards in the order in which they run @throws Error when there are none */
export function joinShards(shards: readonly Graph[]): Graph {
  const [first, last] = [shards[0], shards.at(-1)];
  if (!first || !last) throw new Error("no shards to join");
  const initializers = new Map<string, Tensor>();
  for (const shard of shards) for (const [name, tensor] of shard.initializers) initializers.set(name, tensor);
  return {
    name: first.name,
    opset: first.opset,
    nodes: shards.flatMap(({ nodes }) => nodes),
    initializers,
    inputs: first.inputs,
    outputs: last.outputs,
  };
}

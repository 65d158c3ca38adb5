/** Chooses where to cut a graph into shards, and writes them. */
import { maxShardBytes } from "../../src/limits.ts";
import { writeOnnx } from "../onnx/file.ts";
import { sliceGraph } from "../onnx/graph.ts";
import { CommandError } from "../terminal/fail.ts";
import type { Cut, CuttableGraph } from "./emit.ts";

/** The bytes of a shard's model, and the names of its inputs and outputs. */
export interface ShardModel {
  bytes: Uint8Array;
  inputs: readonly string[];
  outputs: readonly string[];
}

/** Writes the model of nodes `from` to `to`; by default the whole graph. */
export function writeShard({ graph }: CuttableGraph, from = 0, to = graph.nodes.length): ShardModel {
  const slice = sliceGraph(graph, from, to);
  const names = (values: typeof slice.inputs) => values.map(({ name }) => name);
  return { bytes: writeOnnx(slice), inputs: names(slice.inputs), outputs: names(slice.outputs) };
}

/** Bytes of a node without its constants' data: names, shapes. Measured: under 400. */
const overheadBytesPerNode = 1024;

/** The most bytes of weights that one layer may have in a shard of `shardBytes`. */
export function layerBytesLimit(shardBytes: number): number {
  return Math.max(1, shardBytes - 8 * overheadBytesPerNode);
}

/** Cost of a cut inside a block, in bytes: it must make the largest shard this much smaller. */
const insideBlockPenaltyBytes = 1_000_000;

/** A way to cut everything before some place. */
interface Way {
  count: number;
  largest: number;
  penalty: number;
  /** Index of the place of the last cut. */
  previous: number;
}

/**
 * Cuts into as few shards as the limit allows, then makes the largest as small as possible, preferably between blocks.
 * @param limitBytes Largest size of a shard's file. A piece that cannot be cut may be larger, up to maxShardBytes.
 * @returns Node ranges, from inclusive, to exclusive.
 * @throws CommandError when a piece that cannot be cut is larger than maxShardBytes.
 */
export function chooseShards(cuttable: CuttableGraph, limitBytes: number): [from: number, to: number][] {
  const whole = (at: number): Cut => ({ at, insideBlock: false });
  const ends = [whole(0), ...cuttable.cuts, whole(cuttable.graph.nodes.length)];
  const before = [0];
  for (const bytes of pieceSizes(cuttable, ends)) before.push(before.at(-1)! + bytes);

  // best[i]: the best way to cut everything before end i.
  const best: Way[] = [{ count: 0, largest: 0, penalty: 0, previous: -1 }];
  for (let to = 1; to < ends.length; to++) {
    const ways: Way[] = [];
    for (let from = to - 1; from >= 0; from--) {
      const bytes = before[to]! - before[from]!;
      if (bytes > limitBytes && from < to - 1) break;
      const { count, largest, penalty } = best[from]!;
      ways.push({
        count: count + 1,
        largest: Math.max(largest, bytes),
        penalty: penalty + (ends[to]!.insideBlock ? insideBlockPenaltyBytes : 0),
        previous: from,
      });
    }
    best.push(ways.reduce((a, b) => (isBetter(b, a) ? b : a)));
  }
  const shards: [number, number][] = [];
  for (let end = ends.length - 1; end > 0; end = best[end]!.previous) {
    shards.unshift([ends[best[end]!.previous]!.at, ends[end]!.at]);
  }
  return shards;
}

function isBetter(a: Way, b: Way): boolean {
  if (a.count !== b.count) return a.count < b.count;
  return a.largest + a.penalty < b.largest + b.penalty;
}

/** Bytes of each piece between two neighbouring places where the graph may be cut. */
function pieceSizes({ graph }: CuttableGraph, ends: readonly Cut[]): number[] {
  return ends.slice(1).map((end, index) => {
    const nodes = graph.nodes.slice(ends[index]!.at, end.at);
    let bytes = nodes.length * overheadBytesPerNode;
    for (const name of nodes.flatMap((node) => node.inputs)) {
      bytes += graph.initializers.get(name)?.data.byteLength ?? 0;
    }
    if (bytes <= maxShardBytes) return bytes;
    throw new CommandError(
      `The part of the model from "${nodes[0]?.name}" to "${nodes.at(-1)?.name}" takes ${bytes} bytes and cannot be cut; the limit of a shard is ${maxShardBytes} bytes. Use a model with fewer classes or channels.`,
    );
  });
}

/** Chooses where to cut a graph into shards, and writes them. */

import { maxShardBytes } from "../../src/limits.ts";
import { sliceGraph } from "../onnx/slice.ts";
import { writeOnnx } from "../onnx/write.ts";
import type { Cut, CuttableGraph } from "./emit.ts";
import { PackError } from "./errors.ts";

export interface ShardModel {
  bytes: Uint8Array;
  inputs: readonly string[];
  outputs: readonly string[];
}

/** The model of nodes `from` to `to`; the whole graph by default. One shard and the whole graph are written alike. */
export function writeShard({ graph }: CuttableGraph, from = 0, to = graph.nodes.length): ShardModel {
  const slice = sliceGraph(graph, from, to);
  return {
    bytes: writeOnnx(slice),
    inputs: slice.inputs.map((value) => value.name),
    outputs: slice.outputs.map((value) => value.name),
  };
}

/** Bytes of a shard beside its constants' data: nodes, names, shapes. Measured at under 400 a node. */
const overheadBytesPerNode = 1024;
/** The most bytes of weights of a layer that fits a shard of `shardBytes`, or of the largest where that is less. */
export function layerBytesLimit(shardBytes: number): number {
  return Math.max(1, shardBytes - 8 * overheadBytesPerNode);
}

/** What a cut inside a block counts, as bytes: it is taken only where it saves more than this in the largest shard. */
const insideBlockPenaltyBytes = 1_000_000;

/**
 * Cuts into as few shards as the limit allows, then so that the largest is as small as can be, between blocks if possible.
 * @param limitBytes Largest size of one shard's file. A piece that cannot be cut may be larger, up to maxShardBytes.
 * @returns Node ranges, from inclusive, to exclusive.
 * @throws PackError when a piece that cannot be cut is larger than maxShardBytes.
 */
export function chooseShards(cuttable: CuttableGraph, limitBytes: number): [from: number, to: number][] {
  const ends = [
    { at: 0, insideBlock: false },
    ...cuttable.cuts,
    { at: cuttable.graph.nodes.length, insideBlock: false },
  ];
  const pieces = pieceSizes(cuttable, ends);
  const before = [0];
  for (const bytes of pieces) before.push(before.at(-1)! + bytes);

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
    best.push(ways.reduce((a, b) => (better(b, a) ? b : a)));
  }
  const shards: [number, number][] = [];
  for (let end = ends.length - 1; end > 0; end = best[end]!.previous) {
    shards.unshift([ends[best[end]!.previous]!.at, ends[end]!.at]);
  }
  return shards;
}

/** Bytes of each piece between two places where the graph may be cut. */
function pieceSizes({ graph }: CuttableGraph, ends: readonly Cut[]): number[] {
  return ends.slice(1).map((end, index) => {
    const nodes = graph.nodes.slice(ends[index]!.at, end.at);
    const constants = nodes.flatMap((node) => node.inputs).map((name) => graph.initializers.get(name));
    const bytes = constants.reduce(
      (sum, c) => sum + (c?.data.byteLength ?? 0),
      nodes.length * overheadBytesPerNode,
    );
    if (bytes > maxShardBytes) {
      throw new PackError(
        `The part of the model from "${nodes[0]?.name}" to "${nodes.at(-1)?.name}" takes ${bytes} bytes and cannot be cut; the limit of a shard is ${maxShardBytes} bytes. A model with fewer classes or channels fits.`,
      );
    }
    return bytes;
  });
}

interface Way {
  count: number;
  largest: number;
  penalty: number;
  previous: number;
}

function better(a: Way, b: Way): boolean {
  if (a.count !== b.count) return a.count < b.count;
  return a.largest + a.penalty < b.largest + b.penalty;
}

import { describe, expect, test } from "vitest";
import {
  tinyBottleneckSpec,
  tinySpec,
  zooGraph,
  zooGraphUnmeasured,
  zooSpecs,
} from "../../../bench/stand-in/stand-in.ts";
import { calibrate } from "../../../cli/pack/calibrate.ts";
import { type CuttableGraph, floatGraph } from "../../../cli/pack/emit.ts";
import { syntheticImages } from "../../../cli/pack/images.ts";
import { inputKey, quantisedGraph, rangeAfterRelu, rangeKeys } from "../../../cli/pack/quantised-graph.ts";
import { readResNet } from "../../../cli/pack/read-resnet.ts";
import type { ResNet } from "../../../cli/pack/resnet.ts";
import { chooseShards, layerBytesLimit, writeShard } from "../../../cli/pack/shard.ts";
import { noiseTensor, webOutputs } from "../../support/logits.ts";
import { preprocessingOf } from "../../support/preprocessing.ts";

const size = 32;

async function int8(net: ResNet, maxLayerBytes?: number): Promise<CuttableGraph> {
  const preprocessing = preprocessingOf(size);
  const ranges = await calibrate(net, syntheticImages(4, preprocessing), preprocessing);
  return quantisedGraph(net, ranges, { size, ...(maxLayerBytes ? { maxLayerBytes } : {}) });
}

const shardsOf = (graph: CuttableGraph, limit: number) =>
  chooseShards(graph, limit).map(([from, to]) => writeShard(graph, from, to));

describe("shards", () => {
  test.each([
    ["basic blocks", tinySpec, 12_000],
    ["basic blocks, cut at every place", tinySpec, 1],
    ["bottlenecks, cut at every place", tinyBottleneckSpec, 1],
  ])(
    "give the logits and features of the graph in one piece, bit for bit, in int8: %s",
    async (_, spec, limit) => {
      const net = readResNet(await zooGraph(spec));
      const graph = await int8(net, layerBytesLimit(9_000));
      const shards = shardsOf(graph, limit);
      expect(shards.length).toBeGreaterThan(2);
      const facts = { input: "data", size, classes: 10, features: net.dense.features };
      const tensors = [1, 2, 3, 4].map((seed) => noiseTensor(size, seed));
      const inOnePiece = await webOutputs([writeShard(graph)], facts, tensors);
      expect(new Set(inOnePiece.map(({ logits }) => logits.join())).size).toBe(tensors.length);
      expect(await webOutputs(shards, facts, tensors)).toEqual(inOnePiece);
    },
  );

  test("divide a float layer that is too large for one, and give the same logits", async () => {
    const net = readResNet(await zooGraph(tinySpec));
    const divided = floatGraph(net, { size, batch: 1, maxLayerBytes: 2_000 });
    expect(divided.graph.nodes.filter((node) => node.op === "Concat").length).toBeGreaterThan(2);
    const facts = { input: "data", size, classes: 10, features: 16 };
    const tensors = [noiseTensor(size, 5)];
    const [whole] = await webOutputs([writeShard(floatGraph(net, { size, batch: 1 }))], facts, tensors);
    const shards = shardsOf(divided, 4_000);
    expect(shards.length).toBeGreaterThan(10);
    const [cut] = await webOutputs(shards, facts, tensors);
    const largestError = Math.max(...whole!.logits.map((value, i) => Math.abs(cut!.logits[i]! - value)));
    expect(largestError).toBeLessThan(1e-4);
  });

  test("of ResNet34 stay under 5 MB, are few, and begin and end between blocks where they can", () => {
    const net = readResNet(zooGraphUnmeasured({ ...zooSpecs.resnet34, classes: 10 }));
    const ranges = new Map([inputKey, ...rangeKeys(net)].map((key) => [key, rangeAfterRelu(6)]));
    const shards = shardsOf(quantisedGraph(net, ranges, { size: 64 }), 5_000_000);
    expect(shards.map((shard) => shard.outputs)).toEqual([
      ["stage3.2.out"],
      ["stage3.5.out"],
      ["stage4.0.out"],
      ["stage4.1.out"],
      ["features", "logits"],
    ]);
    const bytes = shards.map((shard) => shard.bytes.length);
    expect(Math.max(...bytes)).toBeLessThanOrEqual(5_000_000);
    expect(bytes.reduce((sum, b) => sum + b)).toBeGreaterThan(21_000_000);
  });

  test("of int8 may exceed the limit where a layer cannot be cut, never 8 MiB", async () => {
    const net = readResNet(await zooGraph(tinySpec));
    const sizes = shardsOf(await int8(net), 1).map((shard) => shard.bytes.length);
    expect(Math.min(...sizes)).toBeGreaterThan(1);
    const dense = {
      weight: new Float32Array(16 * 150_000),
      bias: new Float32Array(150_000),
      classes: 150_000,
      features: 16,
    };
    const large = floatGraph({ ...net, dense }, { size, batch: 1 });
    expect(() => chooseShards(large, 5_000_000)).toThrow(
      /from "pooled" to "logits" takes 10\d{6} bytes and cannot be cut; the limit of a shard is 8388608/,
    );
    expect(() =>
      chooseShards(floatGraph({ ...net, dense }, { size, batch: 1, maxLayerBytes: 4e6 }), 5e6),
    ).not.toThrow();
  });
});

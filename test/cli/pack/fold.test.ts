import { describe, expect, test } from "vitest";
import { tinyBottleneckSpec, tinySpec, zooBytes, zooGraph } from "../../../bench/stand-in/stand-in.ts";
import { writeOnnx } from "../../../cli/onnx/file.ts";
import type { Graph } from "../../../cli/onnx/graph.ts";
import { floatGraph } from "../../../cli/pack/emit.ts";
import { sourceClassifier } from "../../../cli/pack/evaluate.ts";
import { foldBatchNorm } from "../../../cli/pack/read-conv.ts";
import { readResNet } from "../../../cli/pack/read-resnet.ts";
import { softmax } from "../../../src/model/scores.ts";
import {
  withAveragePool,
  withoutMaxPool,
  withSigmoid,
  withSoftmax,
  withView,
} from "../../support/export-forms.ts";
import { nativeLogits, noiseTensor } from "../../support/logits.ts";
import { torchvisionBytes, torchvisionGraph } from "../../support/torchvision-onnx.ts";

describe("folding BatchNorm", () => {
  test("scales weights and shifts the bias per output channel", () => {
    const { weight, bias } = foldBatchNorm(Float32Array.of(1, 2, 3, 4), Float32Array.of(10, 20), {
      gamma: Float32Array.of(2, -1),
      beta: Float32Array.of(0.5, 7),
      mean: Float32Array.of(4, 20),
      variance: Float32Array.of(3.75, 0.75),
      epsilon: 0.25,
    });
    expect(Array.from(weight)).toEqual([1, 2, -3, -4]);
    expect(Array.from(bias)).toEqual([6.5, 7]);
  });

  test.each<[string, (graph: Graph) => Graph]>([
    ["no max-pool, as for CIFAR-10", withoutMaxPool],
    ["avg_pool2d over the whole map", withAveragePool(4)],
    ["a flattening by view(x.size(0), -1)", withView],
    ["a final Softmax, which is left out", withSoftmax],
  ])("gives the logits of the source file: %s", async (_, change) => {
    const graph = change(await zooGraph(tinySpec));
    const net = readResNet(graph);
    const { size } = tinySpec;
    const source = await sourceClassifier({ graph, net }, size);
    const tensor = noiseTensor(size, 1);
    const expected = await source.logits(tensor);
    await source.release();
    const actual = await nativeLogits(writeOnnx(floatGraph(net, { size }).graph), tensor, size);
    expect(Math.max(...expected)).toBeGreaterThan(0.1);
    expect(actual.map((value, i) => Math.abs(value - expected[i]!)).every((error) => error < 1e-4)).toBe(
      true,
    );
  });

  test.each([
    ["raw", (graph: Graph) => graph],
    ["with a Sigmoid", withSigmoid],
  ])("makes two classes of a single logit, %s, with the probabilities of its sigmoid", async (_, change) => {
    const raw = await zooGraph({ ...tinySpec, classes: 1 });
    const graph = change(raw);
    const net = readResNet(graph);
    const { size } = tinySpec;
    const tensor = noiseTensor(size, 1);
    const [logit = Number.NaN] = await nativeLogits(zooBytes(raw), tensor, size);
    const logits = await nativeLogits(writeOnnx(floatGraph(net, { size }).graph), tensor, size);
    expect(softmax(logits)[1]).toBeCloseTo(1 / (1 + Math.exp(-logit)), 5);
    const source = await sourceClassifier({ graph, net }, size);
    expect((await source.logits(tensor))[1]).toBeCloseTo(logit, 5);
    await source.release();
  });

  test.each([
    ["basic blocks", async () => ({ spec: tinySpec, graph: await zooGraph(tinySpec), bytes: zooBytes })],
    [
      "bottlenecks with convolution biases",
      async () => ({ spec: tinyBottleneckSpec, graph: await zooGraph(tinyBottleneckSpec), bytes: zooBytes }),
    ],
    [
      "torchvision's form, bottlenecks, 7 classes",
      async () => {
        const spec = { ...tinyBottleneckSpec, classes: 7 };
        return { spec, graph: await torchvisionGraph(spec), bytes: torchvisionBytes };
      },
    ],
  ])("gives the logits of the source file: %s", async (_, make) => {
    const { spec, graph, bytes } = await make();
    const { size } = spec;
    const folded = writeOnnx(floatGraph(readResNet(graph), { size, batch: 1 }).graph);
    for (const seed of [1, 2, 3]) {
      const tensor = noiseTensor(size, seed);
      const expected = await nativeLogits(bytes(graph), tensor, size);
      const actual = await nativeLogits(folded, tensor, size);
      const largest = Math.max(...expected.map(Math.abs));
      expect(largest).toBeGreaterThan(0.1);
      expect(actual).toHaveLength(spec.classes);
      const largestError = Math.max(...expected.map((value, i) => Math.abs(actual[i]! - value)));
      expect(largestError).toBeLessThan(1e-5 * largest);
    }
  });
});

import { describe, expect, test } from "vitest";
import { tinySpec, zooGraph, zooGraphUnmeasured } from "../../../bench/stand-in/stand-in.ts";
import { writeOnnx } from "../../../cli/onnx/file.ts";
import { type Graph, type GraphNode, int, type Tensor } from "../../../cli/onnx/graph.ts";
import { floatGraph } from "../../../cli/pack/emit.ts";
import { type Source, sourceClassifier } from "../../../cli/pack/evaluate.ts";
import { syntheticImages } from "../../../cli/pack/images.ts";
import {
  choosePixelStatistics,
  type NormalisationOptions,
  renormalised,
  sourceInput,
  takingRgb,
} from "../../../cli/pack/normalisation.ts";
import { readResNet } from "../../../cli/pack/read-resnet.ts";
import { findBetterNormalisation } from "../../../cli/pack/verify.ts";
import { node } from "../../support/export-forms.ts";
import { nativeLogits, noiseTensor } from "../../support/logits.ts";
import { preprocessingOf } from "../../support/preprocessing.ts";

const { size } = tinySpec;
const imageNet = preprocessingOf(size);
const statistics = { mean: imageNet.mean, std: imageNet.std };

/** The graph with nodes between its input and its first convolution. */
function prefixed(graph: Graph, nodes: GraphNode[], constants: Record<string, number[] | Tensor>): Graph {
  const tensors = Object.entries(constants).map(([name, value]): [string, Tensor] => {
    if (!Array.isArray(value)) return [name, value];
    const dims = value.length === 1 ? [] : [1, value.length, 1, 1];
    return [name, { type: "float32", dims, data: Float32Array.from(value) }];
  });
  const rest = graph.nodes.map((old) => ({
    ...old,
    inputs: old.inputs.map((name) => (name === "data" ? nodes.at(-1)!.name : name)),
  }));
  return { ...graph, nodes: [...nodes, ...rest], initializers: new Map([...graph.initializers, ...tensors]) };
}

const inChannels = (values: number[]): Tensor => ({
  type: "float32",
  dims: [values.length],
  data: Float32Array.from(values),
});

type Prefix = [GraphNode[], Record<string, number[] | Tensor>];
const subDiv: Prefix = [
  [node("Sub", "sub", ["data", "m"]), node("Div", "div", ["sub", "s"])],
  { m: [...imageNet.mean], s: [...imageNet.std] },
];
const levels: Prefix = [
  [
    node("Mul", "mul", ["by", "data"]),
    ...subDiv[0].map((old) => ({
      ...old,
      inputs: old.inputs.map((name) => (name === "data" ? "mul" : name)),
    })),
  ],
  { by: [1 / 255], ...subDiv[1] },
];
const batchNorm: Prefix = [
  [node("BatchNormalization", "bn", ["data", "gamma", "beta", "mean", "variance"], { spatial: int(1) })],
  {
    gamma: inChannels([1, 1, 1]),
    beta: inChannels([0, 0, 0]),
    mean: inChannels(imageNet.mean.map((value) => value * 255)),
    variance: inChannels(imageNet.std.map((value) => (value * 255) ** 2)),
  },
];

const close = (expected: readonly number[]) => expected.map((value) => expect.closeTo(value, 4));

describe("normalisation in the graph", () => {
  test.each<[string, Prefix]>([
    ["Sub and Div of pixels", subDiv],
    ["Mul, Sub and Div of levels", levels],
    ["BatchNormalization of levels", batchNorm],
  ])("is read as the pack's preprocessing, and both sides give the same logits: %s", async (_, prefix) => {
    const graph = prefixed(await zooGraph(tinySpec), ...prefix);
    const net = readResNet(graph);
    expect(choosePixelStatistics(net, {})).toEqual({ mean: close(imageNet.mean), std: close(imageNet.std) });
    await expectEqualLogits({ graph, net });
  });

  test.each<[string, GraphNode[], Record<string, number[] | Tensor>, RegExp]>([
    [
      "a constant per row",
      [node("Sub", "sub", ["data", "m"])],
      { m: { type: "float32", dims: [2, 1], data: new Float32Array(2) } },
      /"sub" \(Sub\) has a constant of shape \[2,1\]; expected one number, or \[3,1,1\]/,
    ],
    [
      "a constant divided by the image",
      [node("Div", "div", ["m", "data"])],
      { m: [1] },
      /"div" \(Div\) has the image as its second input/,
    ],
    [
      "BatchNormalization of other channels",
      batchNorm[0],
      { ...batchNorm[1], gamma: inChannels([1, 1]) },
      /"bn" \(BatchNormalization\) has 2 channels; expected 3/,
    ],
  ])("is refused by node: %s", (_, nodes, constants, message) => {
    expect(() => readResNet(prefixed(zooGraphUnmeasured(tinySpec), nodes, constants))).toThrow(message);
  });

  test("that inverts a channel is refused, with the options to check", () => {
    const graph = prefixed(zooGraphUnmeasured(tinySpec), [node("Mul", "mul", ["data", "by"])], {
      by: [1, -1, 1],
    });
    expect(() => choosePixelStatistics(readResNet(graph), {})).toThrow(
      /normalisation divides by 1, -1, 1 in all; expected positive numbers\. Check --std and --input-range/,
    );
  });
});

describe("normalisation by options", () => {
  const net = readResNet(zooGraphUnmeasured(tinySpec));
  test.each<[string, NormalisationOptions, number[], number[]]>([
    ["none: ImageNet's", {}, statistics.mean, statistics.std],
    ["mean and deviation", { mean: [0.5, 0.4, 0.3], std: [0.5, 0.5, 0.5] }, [0.5, 0.4, 0.3], [0.5, 0.5, 0.5]],
    ["pixels as they are", { inputRange: [0, 1] }, [0, 0, 0], [1, 1, 1]],
    ["pixels in -1..1", { inputRange: [-1, 1] }, [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]],
    [
      "levels",
      { inputRange: [0, 255], mean: [123.675, 116.28, 103.53], std: [58.395, 57.12, 57.375] },
      statistics.mean,
      statistics.std,
    ],
  ])("%s", (_, options, mean, std) => {
    expect(choosePixelStatistics(net, options)).toEqual({ mean: close(mean), std: close(std) });
  });

  test("of a model that takes BGR is given in its order, and the manifest has it in RGB", () => {
    const options: NormalisationOptions = { mean: [0.1, 0.2, 0.3], std: [0.4, 0.5, 0.6] };
    expect(choosePixelStatistics(takingRgb(net), options)).toEqual({
      mean: close([0.3, 0.2, 0.1]),
      std: close([0.6, 0.5, 0.4]),
    });
  });

  test("without any for a model in BGR is ImageNet's, channel by channel", () => {
    expect(choosePixelStatistics(takingRgb(net), {})).toEqual(statistics);
  });

  test("in levels without their range is refused", () => {
    expect(() => choosePixelStatistics(net, { mean: [123, 116, 103] })).toThrow(/add --input-range 0,255/);
  });
});

describe("a model that takes BGR", () => {
  test("gives the same logits for RGB when the stem's weights are reordered", async () => {
    const graph = await zooGraph(tinySpec);
    await expectEqualLogits({ graph, net: takingRgb(readResNet(graph)) });
  });

  test("and normalises its input, too", async () => {
    const graph = prefixed(await zooGraph(tinySpec), ...subDiv);
    const source = { graph, net: takingRgb(readResNet(graph)) };
    expect(choosePixelStatistics(source.net, {}).mean).toEqual(close(statistics.mean.toReversed()));
    await expectEqualLogits(source);
  });
});

/** The source's own nodes on its own input, and the network that was read from it on a pack's. */
async function expectEqualLogits(source: Source): Promise<void> {
  const tensor = noiseTensor(size, 1);
  const model = await sourceClassifier(source, size);
  const expected = await model.logits(tensor);
  await model.release();
  const actual = await nativeLogits(writeOnnx(floatGraph(source.net, { size }).graph), tensor, size);
  expect(Math.max(...expected.map(Math.abs))).toBeGreaterThan(0.1);
  for (const [i, value] of expected.entries()) expect(actual[i]).toBeCloseTo(value, 3);
}

describe("another common normalisation", () => {
  const images = syntheticImages(60, imageNet);

  /** Classes as the model gives them on images that are normalised so. */
  async function classesWith(source: Source, options: NormalisationOptions): Promise<number[]> {
    const net = options.channels === "bgr" ? takingRgb(source.net) : source.net;
    const other = choosePixelStatistics(net, options);
    const model = await sourceClassifier({ ...source, net }, size);
    const classes: number[] = [];
    for (let i = 0; i < images.count; i++) {
      const logits = await model.logits(renormalised(await images.tensor(i), imageNet, other));
      classes.push(logits.indexOf(Math.max(...logits)));
    }
    await model.release();
    return classes;
  }

  test.each<[NormalisationOptions, string]>([
    [{ inputRange: [0, 255] }, "--input-range 0,255"],
    [
      { channels: "bgr", mean: [0.406, 0.456, 0.485], std: [0.225, 0.224, 0.229] },
      "--channels bgr --mean 0.406,0.456,0.485 --std 0.225,0.224,0.229",
    ],
  ])("is found when the labels fit it far better: %j", async (options, typed) => {
    const graph = await zooGraph(tinySpec);
    const source = { graph, net: readResNet(graph) };
    const better = await findBetterNormalisation(
      source,
      imageNet,
      images,
      await classesWith(source, options),
    );
    expect(better).toMatchObject({ options: typed, images: 60, better_top1: 1 });
    expect(better!.source_top1).toBeLessThan(0.9);
  });

  test("is not reported when the labels fit the pack's own", async () => {
    const graph = await zooGraph(tinySpec);
    const source = { graph, net: readResNet(graph) };
    const classes = await classesWith(source, {});
    expect(await findBetterNormalisation(source, imageNet, images, classes)).toBeNull();
  });
});

test("the source's input is the pack's own where the file neither normalises nor takes BGR", () => {
  const tensor = noiseTensor(4, 1);
  expect(sourceInput(tensor, { name: "x", size: 4, normalisation: null, channels: "RGB" })).toBe(tensor);
});

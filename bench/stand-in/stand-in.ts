/**
 * The network of all measurements: a stand-in for the zoo's ResNet34, whose weights cannot be shipped. It has the same
 * topology, names, shapes and file size, and random weights. Time and memory do not depend on the values of weights.
 */

import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { readOnnx, writeOnnx } from "../../cli/onnx/file.ts";
import {
  type Attribute,
  elementCount,
  float,
  floats,
  type Graph,
  type GraphNode,
  int,
  ints,
  type Tensor,
} from "../../cli/onnx/graph.ts";
import { nativeSession } from "../../cli/pack/native.ts";
import { packModel } from "../../cli/pack/pack.ts";
import { Random } from "../../cli/pack/random.ts";
import { syntheticPixels } from "../../cli/pack/synthetic.ts";
import { readLocalPack } from "../../cli/store/local-pack.ts";
import { projectFolder } from "../../cli/store/project.ts";
import { cacheFolder, madeOnce } from "../pictures/cache-folder.ts";

/** A change in one of these folders makes the files again. */
const sources = ["cli/onnx", "cli/pack", "bench/stand-in", "examples/images"];

/** Makes the files at the first use, in about ten seconds. @param size height and width of the input */
export async function standIn(size = 224) {
  const folder = await cacheFolder("models", sources);
  const zoo = await madeOnce(path.join(folder, "resnet34-224.onnx"), async (file) => {
    await writeFile(file, zooBytes(await zooGraph(zooSpecs.resnet34)));
  });
  const name = `resnet34-${size}`;
  // The same weights. Only the declared shape of the input differs.
  const fp32 = await madeOnce(path.join(folder, `${name}.onnx`), async (file) => {
    const graph = readOnnx(await readFile(zoo));
    const inputs = graph.inputs.map((input) => ({ ...input, dims: ["N", 3, size, size] }));
    await writeFile(file, zooBytes({ ...graph, inputs }));
  });
  const packFolder = path.join(folder, name);
  if (!existsSync(packFolder)) await packForTiming(fp32, packFolder);
  const pack = await readLocalPack(packFolder);
  const int8 = await madeOnce(path.join(folder, `${name}-int8.onnx`), async (file) => {
    const shards = pack.manifest.shards.map((shard) => readFile(path.join(packFolder, shard.file)));
    await writeFile(file, writeOnnx(joinShards((await Promise.all(shards)).map((shard) => readOnnx(shard)))));
  });
  // The pack, int8 in shards; the int8 graph in one file, and the float32 model as the zoo has it.
  return { pack, files: { int8, fp32 } };
}

/** Makes an int8 pack of another network at 224 pixels, at the first use, in about a minute. */
export async function standInPack(network: "resnet18" | "resnet50") {
  const folder = await cacheFolder("models", sources);
  const packFolder = path.join(folder, `${network}-224`);
  if (!existsSync(packFolder)) {
    const file = await madeOnce(`${packFolder}.onnx`, async (onnx) => {
      await writeFile(onnx, zooBytes(await zooGraph(zooSpecs[network])));
    });
    await packForTiming(file, packFolder);
  }
  return readLocalPack(packFolder);
}

/** Packs with few pictures: the calibrated ranges do not change how long a forward pass takes. */
function packForTiming(file: string, out: string) {
  const calibrateDir = path.join(projectFolder, "examples", "images");
  const name = path.basename(out);
  return packModel({ file, out, name, precision: "int8", calibrateDir, allowLarge: true });
}

/** Joins a pack's shards, in their order, to the one graph from which they were cut. @throws Error for no shards */
export function joinShards(shards: readonly Graph[]): Graph {
  const [first, last] = [shards[0], shards.at(-1)];
  if (!first || !last) throw new Error("there are no shards to join");
  return {
    ...first,
    nodes: shards.flatMap(({ nodes }) => nodes),
    initializers: new Map(shards.flatMap(({ initializers }) => [...initializers])),
    outputs: last.outputs,
  };
}

/** The dimensions of a ResNet v1. */
export interface ZooSpec {
  /** Name scope of every node, for example `resnetv16`. */
  prefix: string;
  /** Blocks of each stage. */
  blocks: readonly number[];
  /** Output channels of the stem, then of each stage. */
  channels: readonly number[];
  bottleneck: boolean;
  classes: number;
  /** Height and width of the input. */
  size: number;
  seed: number;
  /** Name of the Flatten node, which MXNet's exporter numbers by the nodes before it. */
  flatten: string;
}

const base = { classes: 1000, size: 224, seed: 34 };
const basic = { ...base, bottleneck: false, channels: [64, 64, 128, 256, 512] };
const bottleneck = { ...base, bottleneck: true, channels: [64, 256, 512, 1024, 2048] };
/** The published networks. */
export const zooSpecs = {
  resnet18: { ...basic, prefix: "resnetv15", blocks: [2, 2, 2, 2], flatten: "flatten_170" },
  resnet34: { ...basic, prefix: "resnetv16", blocks: [3, 4, 6, 3], flatten: "flatten_306" },
  resnet50: { ...bottleneck, prefix: "resnetv17", blocks: [3, 4, 6, 3], flatten: "flatten_473" },
  resnet101: { ...bottleneck, prefix: "resnetv18", blocks: [3, 4, 23, 3], flatten: "flatten_932" },
  resnet152: { ...bottleneck, prefix: "resnetv19", blocks: [3, 8, 36, 3], flatten: "flatten_1391" },
} satisfies Record<string, ZooSpec>;

/** A ResNet34 that runs in milliseconds: few channels, 32 pixels. */
export const tinySpec: ZooSpec = {
  ...zooSpecs.resnet34,
  blocks: [2, 2],
  channels: [8, 8, 16],
  classes: 10,
  size: 32,
};
/** The same with bottlenecks. */
export const tinyBottleneckSpec: ZooSpec = {
  ...tinySpec,
  prefix: "resnetv17",
  bottleneck: true,
  channels: [8, 16, 32],
};

/** Writes the graph like the zoo's files: IR 3, with the initialisers among the inputs. */
export function zooBytes(graph: Graph): Uint8Array {
  return writeOnnx(graph, { irVersion: 3, producer: "", listInitializersAsInputs: true });
}

/** Makes the graph, with BatchNorm statistics from a forward pass. */
export async function zooGraph(spec: ZooSpec): Promise<Graph> {
  return measureBatchNorm(zooGraphUnmeasured(spec), spec.size);
}

/**
 * Initial values of each kind of parameter. Weights follow He et al. 2015 (arXiv 1502.01852): zero mean, variance
 * 2 / fan-in. Gamma and beta resemble trained ones.
 */
const initialValues = {
  weight: (random: Random, fanIn: number) => Math.sqrt(2 / fanIn) * random.normal(),
  bias: (random: Random) => 0.1 * random.normal(),
  gamma: (random: Random) => random.between(0.4, 1.2),
  beta: (random: Random) => 0.25 * random.normal(),
  running_mean: () => 0,
  running_var: () => 1,
} as const;

/** A convolution. Its padding is half of the kernel. */
interface Convolution {
  readonly outputs: number;
  readonly inputs: number;
  /** Height and width, odd. */
  readonly kernel: number;
  readonly stride: number;
  readonly bias?: boolean;
}

/** Makes the graph with BatchNorm statistics of mean 0 and variance 1. That is quick, but activations explode. */
export function zooGraphUnmeasured(spec: ZooSpec): Graph {
  const { prefix, channels, classes, size } = spec;
  const random = new Random(spec.seed);
  const nodes: GraphNode[] = [];
  const initializers = new Map<string, Tensor>();

  /** Adds a node with one output, which has the node's name. */
  const node = (
    op: string,
    name: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
  ): string => {
    const entries = new Map(Object.entries(attributes));
    nodes.push({ name, op, domain: "", inputs, outputs: [name], attributes: entries });
    return name;
  };
  /** Adds a parameter of a layer. */
  const parameter = (layer: string, kind: keyof typeof initialValues, ...dims: number[]): string => {
    const name = `${layer}_${kind}`;
    const length = elementCount(dims);
    const fanIn = length / dims[0]!;
    const values = Float32Array.from({ length }, () => initialValues[kind](random, fanIn));
    initializers.set(name, floats(dims, values));
    return name;
  };
  /** Adds a convolution and its BatchNorm. */
  const convolve = (scope: string, number: number, x: string, convolution: Convolution): string => {
    const { outputs, inputs, kernel, stride, bias } = convolution;
    const pad = (kernel - 1) / 2;
    const conv = `${scope}_conv${number}`;
    const weights = [parameter(conv, "weight", outputs, inputs, kernel, kernel)];
    if (bias) weights.push(parameter(conv, "bias", outputs));
    const convolved = node("Conv", `${conv}_fwd`, [x, ...weights], {
      dilations: ints(1, 1),
      group: int(1),
      kernel_shape: ints(kernel, kernel),
      pads: ints(pad, pad, pad, pad),
      strides: ints(stride, stride),
    });
    const norm = `${scope}_batchnorm${number}`;
    const kinds = ["gamma", "beta", "running_mean", "running_var"] as const;
    const statistics = kinds.map((kind) => parameter(norm, kind, outputs));
    return node("BatchNormalization", `${norm}_fwd`, [convolved, ...statistics], {
      epsilon: float(Math.fround(1e-5)),
      momentum: float(Math.fround(0.9)),
      spatial: int(1),
    });
  };

  let [inputs = 64] = channels;
  let x = convolve(prefix, 0, "data", { outputs: inputs, inputs: 3, kernel: 7, stride: 2 });
  x = node("Relu", `${prefix}_relu0_fwd`, [x]);
  const window = { kernel_shape: ints(3, 3), pads: ints(1, 1, 1, 1), strides: ints(2, 2) };
  x = node("MaxPool", `${prefix}_pool0_fwd`, [x], window);
  for (const [stage, blocks] of spec.blocks.entries()) {
    const scope = `${prefix}_stage${stage + 1}`;
    const outputs = channels[stage + 1]!;
    const inner = outputs / 4;
    const kernels = spec.bottleneck ? [1, 3, 1] : [3, 3];
    const widths = spec.bottleneck ? [inner, inner, outputs] : [outputs, outputs];
    let [convs, relus] = [0, 0];
    for (let block = 0; block < blocks; block++) {
      const stride = stage > 0 && block === 0 ? 2 : 1;
      // The projection's number follows those of the branch, but its nodes come first.
      const first = convs;
      convs += kernels.length;
      let shortcut = x;
      if (inputs !== outputs || stride !== 1) {
        shortcut = convolve(scope, convs++, x, { outputs, inputs, kernel: 1, stride });
      }
      for (const [i, kernel] of kernels.entries()) {
        if (i > 0) x = node("Relu", `${scope}_relu${relus++}_fwd`, [x]);
        const step = { kernel, stride: i === 0 ? stride : 1, bias: kernel === 1 };
        x = convolve(scope, first + i, x, { ...step, outputs: widths[i]!, inputs });
        inputs = widths[i]!;
      }
      x = node("Add", `${scope}__plus${block}`, [shortcut, x]);
      x = node("Relu", `${scope}_activation${block}`, [x]);
    }
  }
  x = node("GlobalAveragePool", `${prefix}_pool1_fwd`, [x]);
  x = node("Flatten", spec.flatten, [x]);
  const dense = `${prefix}_dense0`;
  const weights = [parameter(dense, "weight", classes, inputs), parameter(dense, "bias", classes)];
  const scale = { alpha: float(1), beta: float(1), transA: int(0), transB: int(1) };
  x = node("Gemm", `${dense}_fwd`, [x, ...weights], scale);
  return {
    name: "mxnet_converted_model",
    opset: 8,
    nodes,
    initializers,
    inputs: [{ name: "data", type: "float32", dims: ["N", 3, size, size] }],
    outputs: [{ name: x, type: "float32", dims: ["N", classes] }],
  };
}

const batch = 4;

/**
 * Sets each BatchNormalization's running mean and variance to those of its input over a few synthetic pictures, so that
 * activations neither vanish nor explode.
 */
async function measureBatchNorm(graph: Graph, size: number): Promise<Graph> {
  // In training mode, ONNX's operator uses the statistics of the batch and, with momentum 0, returns them.
  const attributes = new Map([
    ["training_mode", int(1)],
    ["momentum", float(0)],
    ["epsilon", float(1e-5)],
  ]);
  const statistics: string[] = [];
  const nodes = graph.nodes.map((node) => {
    if (node.op !== "BatchNormalization") return node;
    const own = node.inputs.slice(3);
    statistics.push(...own);
    return { ...node, outputs: [...node.outputs, ...own.map(measuredName)], attributes };
  });
  const outputs = statistics.map((name) => ({
    name: measuredName(name),
    type: "float32" as const,
    dims: graph.initializers.get(name)!.dims,
  }));
  const model = writeOnnx({ ...graph, opset: 15, nodes, outputs }, { irVersion: 8 });
  const session = await nativeSession(model, 1);
  const results = await session.run(syntheticBatch(size), [batch, 3, size, size]);
  await session.release();
  const measured = statistics.map((name): [string, Tensor] => {
    const { data } = results.get(measuredName(name))!;
    return [name, floats([data.length], data)];
  });
  return { ...graph, initializers: new Map([...graph.initializers, ...measured]) };
}

const measuredName = (initializer: string) => `${initializer}.measured`;

/** Returns the normalised pixels of a few synthetic pictures, [batch, 3, size, size]. */
function syntheticBatch(size: number): Float32Array {
  const data = new Float32Array(batch * 3 * size * size);
  for (let image = 0; image < batch; image++) {
    const pixels = syntheticPixels(size, image);
    for (const [i, value] of pixels.entries()) {
      const [pixel, channel] = [Math.floor(i / 3), i % 3];
      data[(image * 3 + channel) * size * size + pixel] = (value / 255 - 0.45) / 0.226;
    }
  }
  return data;
}

/** Writes an ONNX file in exactly the topology of the model zoo's resnet*-v1-7, with random weights. */
import {
  type Attribute,
  float,
  type Graph,
  type GraphNode,
  int,
  ints,
  type Tensor,
} from "../../cli/onnx/graph.ts";
import { writeOnnx } from "../../cli/onnx/write.ts";
import { Random } from "../../cli/pack/random.ts";
import { measureBatchNorm, type Role, randomTensor } from "./random-resnet-onnx.ts";

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
  const { graph, initializers } = new ZooWriter(spec).write();
  await measureBatchNorm(graph, initializers, spec.size);
  return graph;
}

/** Makes the graph with BatchNorm statistics of mean 0 and variance 1. That is quick, but activations explode. */
export function zooGraphUnmeasured(spec: ZooSpec): Graph {
  return new ZooWriter(spec).write().graph;
}

class ZooWriter {
  readonly #spec: ZooSpec;
  readonly #random: Random;
  readonly #nodes: GraphNode[] = [];
  readonly #initializers = new Map<string, Tensor>();
  /** Numbers of the next convolution and Relu in the current name scope. */
  #convs = 0;
  #relus = 0;

  constructor(spec: ZooSpec) {
    this.#spec = spec;
    this.#random = new Random(spec.seed);
  }

  write(): { graph: Graph; initializers: Map<string, Tensor> } {
    const { prefix, blocks, channels, classes, size, flatten } = this.#spec;
    const [stem = 64] = channels;
    let x = this.#convNorm(prefix, 0, "data", [stem, 3, 7, 7], { stride: 2, pad: 3, bias: false });
    x = this.#node("Relu", `${prefix}_relu0_fwd`, [x]);
    x = this.#node("MaxPool", `${prefix}_pool0_fwd`, [x], {
      kernel_shape: ints(3, 3),
      pads: ints(1, 1, 1, 1),
      strides: ints(2, 2),
    });
    let inputs = stem;
    blocks.forEach((count, stage) => {
      [this.#convs, this.#relus] = [0, 0];
      for (let block = 0; block < count; block++) {
        x = this.#block(
          `${prefix}_stage${stage + 1}`,
          block,
          x,
          inputs,
          channels[stage + 1]!,
          stage > 0 && block === 0 ? 2 : 1,
        );
        inputs = channels[stage + 1]!;
      }
    });
    x = this.#node("GlobalAveragePool", `${prefix}_pool1_fwd`, [x]);
    x = this.#node("Flatten", flatten, [x]);
    const dense = `${prefix}_dense0`;
    const weight = this.#draw(`${dense}_weight`, "weight", [classes, inputs]);
    const bias = this.#draw(`${dense}_bias`, "bias", [classes]);
    const output = this.#node("Gemm", `${dense}_fwd`, [x, weight, bias], {
      alpha: float(1),
      beta: float(1),
      transA: int(0),
      transB: int(1),
    });
    const graph: Graph = {
      name: "mxnet_converted_model",
      opset: 8,
      nodes: this.#nodes,
      initializers: this.#initializers,
      inputs: [{ name: "data", type: "float32", dims: ["N", 3, size, size] }],
      outputs: [{ name: output, type: "float32", dims: ["N", classes] }],
    };
    return { graph, initializers: this.#initializers };
  }

  /** Writes one residual block. The projection's number follows those of the branch, but its nodes come first. */
  #block(scope: string, index: number, x: string, inputs: number, outputs: number, stride: number): string {
    const first = this.#convs;
    const inner = outputs / 4;
    const shapes: [dims: number[], options: ConvOptions][] = this.#spec.bottleneck
      ? [
          [[inner, inputs, 1, 1], { stride, pad: 0, bias: true }],
          [[inner, inner, 3, 3], { stride: 1, pad: 1, bias: false }],
          [[outputs, inner, 1, 1], { stride: 1, pad: 0, bias: true }],
        ]
      : [
          [[outputs, inputs, 3, 3], { stride, pad: 1, bias: false }],
          [[outputs, outputs, 3, 3], { stride: 1, pad: 1, bias: false }],
        ];
    this.#convs += shapes.length;
    let shortcut = x;
    if (inputs !== outputs || stride !== 1) {
      shortcut = this.#convNorm(scope, this.#convs++, x, [outputs, inputs, 1, 1], {
        stride,
        pad: 0,
        bias: false,
      });
    }
    let branch = x;
    shapes.forEach(([dims, options], i) => {
      branch = this.#convNorm(scope, first + i, branch, dims, options);
      if (i < shapes.length - 1) branch = this.#node("Relu", `${scope}_relu${this.#relus++}_fwd`, [branch]);
    });
    const sum = this.#node("Add", `${scope}__plus${index}`, [shortcut, branch]);
    return this.#node("Relu", `${scope}_activation${index}`, [sum]);
  }

  #convNorm(scope: string, number: number, x: string, dims: number[], options: ConvOptions): string {
    const [outputs = 0, , height = 1, width = 1] = dims;
    const { stride, pad, bias } = options;
    const conv = `${scope}_conv${number}`;
    const inputs = [x, this.#draw(`${conv}_weight`, "weight", dims)];
    if (bias) inputs.push(this.#draw(`${conv}_bias`, "bias", [outputs]));
    const convolved = this.#node("Conv", `${conv}_fwd`, inputs, {
      dilations: ints(1, 1),
      group: int(1),
      kernel_shape: ints(height, width),
      pads: ints(pad, pad, pad, pad),
      strides: ints(stride, stride),
    });
    const norm = `${scope}_batchnorm${number}`;
    const statistics = [
      this.#draw(`${norm}_gamma`, "gamma", [outputs]),
      this.#draw(`${norm}_beta`, "beta", [outputs]),
      this.#draw(`${norm}_running_mean`, "mean", [outputs]),
      this.#draw(`${norm}_running_var`, "variance", [outputs]),
    ];
    return this.#node("BatchNormalization", `${norm}_fwd`, [convolved, ...statistics], {
      epsilon: float(Math.fround(1e-5)),
      momentum: float(Math.fround(0.9)),
      spatial: int(1),
    });
  }

  #draw(name: string, role: Role, dims: number[]): string {
    this.#initializers.set(name, randomTensor(this.#random, role, dims));
    return name;
  }

  #node(op: string, name: string, inputs: string[], attributes: Record<string, Attribute> = {}): string {
    this.#nodes.push({
      name,
      op,
      domain: "",
      inputs,
      outputs: [name],
      attributes: new Map(Object.entries(attributes)),
    });
    return name;
  }
}

interface ConvOptions {
  stride: number;
  pad: number;
  bias: boolean;
}

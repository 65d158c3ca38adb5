/** Writes a ResNet as an ONNX graph: the walk over the network, the parts that all precisions share, and the float32 graph. */
import { type Dimension, float, floats, GraphBuilder, int, ints, type TypedGraph } from "../onnx/graph.ts";
import {
  type Block,
  blockOutputName,
  type ConvLayer,
  poolName,
  type ResNet,
  sizeAfter,
  type Window,
  windowOf,
} from "./resnet.ts";

/** A place where a graph may be cut: before node `at`. */
export interface Cut {
  at: number;
  /** Between blocks, one value crosses the cut. Inside a block, the shortcut crosses it too. */
  insideBlock: boolean;
}

/** A graph and where it may be cut. */
export interface CuttableGraph {
  graph: TypedGraph;
  cuts: readonly Cut[];
}

/** Shape and limits of a graph. */
export interface GraphOptions {
  /** Height and width of the input. */
  size: number;
  /** Default: 1. */
  batch?: Dimension;
  /** A float layer with more bytes of weights is written in parts, between which the graph may be cut. */
  maxLayerBytes?: number;
  /** Values to output besides logits and features. */
  probes?: readonly string[];
}

/** Names of the outputs of every pack. */
export const logitsName = "logits";
export const featuresName = "features";

/** Operator set of written graphs. 13 has QuantizeLinear per channel and MaxPool on u8; ORT reads it since 1.6. */
const writtenOpset = 13;

/**
 * Writes the parts of a network in the order of computation. Methods return the name of the value they compute. A
 * subclass decides how convolutions are written.
 */
export abstract class Emitter {
  protected readonly builder = new GraphBuilder();
  readonly #options: GraphOptions;
  readonly #cuts: Cut[] = [];

  constructor(options: GraphOptions) {
    this.#options = options;
  }

  /** Writes the whole network. */
  write(net: ResNet): CuttableGraph {
    let x = this.#maxPool(net, this.conv(net.stem, this.input(net)));
    for (const block of net.blocks) {
      this.#cut(false);
      const shortcut = block.downsample ? this.conv(block.downsample, x) : x;
      let branch = x;
      for (const [index, conv] of block.convs.entries()) {
        if (index > 0 || block.downsample) this.#cut(true);
        branch = this.conv(conv, branch);
      }
      x = this.add(block, branch, shortcut);
    }
    this.#cut(false);
    this.#head(net, x);
    const outputs = [logitsName, featuresName, ...(this.#options.probes ?? [])];
    return { graph: this.builder.build(net.input.name, writtenOpset, outputs), cuts: this.#cuts };
  }

  /** A convolution and its ReLU, if it has one. */
  protected abstract conv(layer: ConvLayer, x: string): string;

  protected input(net: ResNet): string {
    const { size, batch = 1 } = this.#options;
    return this.builder.input({ name: net.input.name, type: "float32", dims: [batch, 3, size, size] });
  }

  /** relu(branch + shortcut), in float32. */
  protected add(block: Block, branch: string, shortcut: string): string {
    const name = blockOutputName(block);
    const value = this.builder.value(branch);
    const sum = this.builder.node("Add", [branch, shortcut], { ...value, name: `${name}.sum` });
    return this.builder.node("Relu", [sum], { ...value, name });
  }

  /**
   * Divides the outputs of a float layer into runs so that none has more weights than the limit, and writes each with
   * `write`, with a cut between them. Then concatenates them as `name`.
   * @param bytes Of the layer's weights.
   */
  protected inRuns(
    name: string,
    dims: readonly Dimension[],
    bytes: number,
    write: (name: string, from: number, to: number) => string,
    partName = name,
  ): string {
    const outputs = Number(dims[1]);
    const limit = this.#options.maxLayerBytes ?? Number.POSITIVE_INFINITY;
    const count = Math.max(1, Math.min(outputs, Math.ceil(bytes / limit)));
    if (count === 1) return write(name, 0, outputs);
    const start = (index: number) => Math.round((index * outputs) / count);
    const parts = Array.from({ length: count }, (_, index) => {
      if (index > 0) this.#cut(true);
      return write(`${partName}.part${index}`, start(index), start(index + 1));
    });
    return this.builder.node("Concat", parts, { name, type: "float32", dims }, { axis: int(1) });
  }

  #cut(insideBlock: boolean): void {
    this.#cuts.push({ at: this.builder.nodeCount, insideBlock });
  }

  /** MaxPool keeps the type of its input: float32, or u8 in a quantised graph. */
  #maxPool({ pool }: ResNet, x: string): string {
    if (pool === null) return x;
    const { type, dims } = this.builder.value(x);
    const output = { name: poolName, type, dims: [dims[0]!, dims[1]!, ...spatial(dims, pool)] };
    return this.builder.node("MaxPool", [x], output, windowAttributes(pool));
  }

  /** Pooled features [N, features] and raw logits [N, classes], float32 in every pack. */
  #head({ dense }: ResNet, x: string): void {
    const { builder } = this;
    const type = "float32";
    const batch = builder.value(x).dims[0] ?? 1;
    const dims = [batch, dense.features];
    const pooled = builder.node("GlobalAveragePool", [x], { name: "pooled", type, dims: [...dims, 1, 1] });
    const features = builder.node("Flatten", [pooled], { name: featuresName, type, dims }, { axis: int(1) });
    const attributes = { alpha: float(1), beta: float(1), transA: int(0), transB: int(1) };
    const write = (name: string, from: number, to: number) => {
      const rows = dense.weight.subarray(from * dense.features, to * dense.features);
      const weight = builder.constant(`${name}.weight`, floats([to - from, dense.features], rows));
      const bias = builder.constant(`${name}.bias`, floats([to - from], dense.bias.subarray(from, to)));
      const output = { name, type, dims: [batch, to - from] } as const;
      return builder.node("Gemm", [features, weight, bias], output, attributes);
    };
    this.inRuns(logitsName, [batch, dense.classes], dense.weight.byteLength, write, "dense");
  }
}

/** Attributes of a Conv node. */
export const convAttributes = (layer: ConvLayer) => windowAttributes(windowOf(layer));

function windowAttributes({ kernel, strides, pads }: Window) {
  return { kernel_shape: ints(...kernel), pads: ints(...pads), strides: ints(...strides) };
}

/** Shape of a convolution's output, NCHW, with `outputs` channels. */
export function convDims(
  input: readonly Dimension[],
  layer: ConvLayer,
  outputs = layer.dims[0],
): Dimension[] {
  return [input[0] ?? 1, outputs, ...spatial(input, windowOf(layer))];
}

function spatial([, , height, width]: readonly Dimension[], window: Window): number[] {
  return [sizeAfter(Number(height), window, 0), sizeAfter(Number(width), window, 1)];
}

/** Writes a folded float32 graph: what fp32 packs contain, and what calibration runs. */
export function floatGraph(net: ResNet, options: GraphOptions): CuttableGraph {
  return new FloatEmitter(options).write(net);
}

class FloatEmitter extends Emitter {
  protected override conv(layer: ConvLayer, x: string): string {
    const { builder } = this;
    const input = builder.value(x).dims;
    const [outputs, ...rest] = layer.dims;
    const perOutput = layer.weight.length / outputs;
    const linear = layer.relu ? `${layer.name}.linear` : layer.name;
    const dims = convDims(input, layer);
    const write = (name: string, from: number, to: number) => {
      // An undivided layer names its constants after the layer, a part after itself.
      const owner = name === linear ? layer.name : name;
      const rows = layer.weight.subarray(from * perOutput, to * perOutput);
      const weight = builder.constant(`${owner}.weight`, floats([to - from, ...rest], rows));
      const bias = builder.constant(`${owner}.bias`, floats([to - from], layer.bias.subarray(from, to)));
      const output = { name, type: "float32", dims: convDims(input, layer, to - from) } as const;
      return builder.node("Conv", [x, weight, bias], output, convAttributes(layer));
    };
    this.inRuns(linear, dims, layer.weight.byteLength, write, layer.name);
    return layer.relu ? builder.node("Relu", [linear], { name: layer.name, type: "float32", dims }) : linear;
  }
}

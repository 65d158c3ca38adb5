/**
 * ResNet and activation ranges as an int8 graph: u8 activations, 8-bit weights with one scale per output channel.
 *
 * The residual trunk stays in float32: branch and shortcut are added as float. For this the last convolution of a branch
 * outputs its int32 sums (ConvInteger) instead of rounding them to u8, and only the inputs of convolutions are rounded.
 * With a trunk in u8 (QLinearAdd), rounding it in every block causes nine tenths of the total error.
 */

import type { Preprocessing } from "../../src/model/manifest.ts";
import { int, type Tensor, type ValueInfo } from "../onnx/graph.ts";
import { type CuttableGraph, convAttributes, convDims, Emitter, type GraphOptions } from "./emit.ts";
import {
  type Block,
  blockOutputName,
  type ConvLayer,
  convolutions,
  poolName,
  type ResNet,
  stemName,
} from "./resnet.ts";

/** Name of the quantised input, and the key of its range. */
export const inputKey = "input";

/** TensorProto's number for FLOAT, as Cast expects it. */
const castToFloat = int(1);

/** The values, besides the input, whose ranges quantisedGraph needs: all are outputs of a ReLU. */
export function rangeKeys(net: ResNet): string[] {
  const outputs = net.blocks.slice(0, -1).map((block) => blockOutputName(block));
  const activations = convolutions(net).filter((layer) => layer.relu);
  return [...activations.map((layer) => layer.name), ...outputs];
}

/** Writes an int8 graph. `ranges` has an entry for inputKey and each of rangeKeys. */
export function quantisedGraph(
  net: ResNet,
  ranges: ReadonlyMap<string, ActivationRange>,
  options: GraphOptions,
): CuttableGraph {
  return new QuantisedEmitter(ranges, options).write(net);
}

/** The type of a value, float32 or u8, decides how the nodes that read it are written. */
class QuantisedEmitter extends Emitter {
  readonly #ranges: ReadonlyMap<string, ActivationRange>;

  constructor(ranges: ReadonlyMap<string, ActivationRange>, options: GraphOptions) {
    super(options);
    this.#ranges = ranges;
  }

  protected override input(net: ResNet): string {
    return this.#quantised(super.input(net), inputKey);
  }

  protected override add(block: Block, branch: string, shortcut: string): string {
    return super.add(block, branch, this.#dequantised(shortcut));
  }

  protected override conv(layer: ConvLayer, value: string): string {
    const x = this.#quantised(value);
    const dims = convDims(this.builder.value(x).dims, layer);
    return layer.relu ? this.#convToLevels(layer, x, dims) : this.#convToFloat(layer, x, dims);
  }

  /** QLinearConv rounds its int32 sums to u8. With a zero point of 0, clipping at 0 is the ReLU. */
  #convToLevels(layer: ConvLayer, x: string, dims: ValueInfo["dims"]): string {
    const { levels, scales } = quantiseWeights(layer);
    const outputs = [layer.dims[0]];
    const bias = quantiseBias(layer.bias, this.#range(x).scale, scales);
    const inputs = [
      x,
      ...this.#rangeConstants(x),
      this.#constant(layer, "weight", { type: "int8", dims: layer.dims, data: levels }),
      this.#constant(layer, "weight_scale", { type: "float32", dims: outputs, data: scales }),
      this.#constant(layer, "weight_zero", {
        type: "int8",
        dims: outputs,
        data: new Int8Array(layer.dims[0]),
      }),
      ...this.#rangeConstants(layer.name),
      this.#constant(layer, "bias", { type: "int32", dims: outputs, data: bias }),
    ];
    const output = { name: layer.name, type: "uint8" as const, dims };
    return this.builder.node("QLinearConv", inputs, output, convAttributes(layer));
  }

  /**
   * ConvInteger, then scale and bias per channel in float. Its weights are u8 around 128, which gives the same sums:
   * ORT has no fast kernel for s8 here (28 ms instead of 2.8 in WASM for one layer of ResNet34's last stage).
   */
  #convToFloat(layer: ConvLayer, x: string, dims: ValueInfo["dims"]): string {
    const { builder } = this;
    const { levels, scales } = quantiseWeights(layer);
    const inputScale = this.#range(x).scale;
    const perChannel = (suffix: string, data: Float32Array) =>
      this.#constant(layer, suffix, { type: "float32", dims: [1, layer.dims[0], 1, 1], data });
    const value = (suffix: string, type: "float32" | "int32" = "float32") => {
      const name = `${layer.name}${suffix}`;
      return { name, type, dims };
    };
    const weights = Uint8Array.from(levels, (level) => level + 128);
    const inputs = [
      x,
      this.#constant(layer, "weight", { type: "uint8", dims: layer.dims, data: weights }),
      this.#rangeConstants(x)[1],
      this.#constant(layer, "weight_zero", { type: "uint8", dims: [], data: Uint8Array.of(128) }),
    ];
    const sums = builder.node("ConvInteger", inputs, value(".sums", "int32"), convAttributes(layer));
    const real = builder.node("Cast", [sums], value(".real"), { to: castToFloat });
    const factor = perChannel(
      "factor",
      scales.map((scale) => scale * inputScale),
    );
    const scaled = builder.node("Mul", [real, factor], value(".scaled"));
    return builder.node("Add", [scaled, perChannel("bias", layer.bias)], value(""));
  }

  /** The value as u8. A float value is rounded once, however many nodes read it. */
  #quantised(x: string, name = `${x}${levelsSuffix}`): string {
    const { type, dims } = this.builder.value(x);
    if (type === "uint8") return x;
    if (this.builder.has(name)) return name;
    const output = { name, type: "uint8" as const, dims };
    return this.builder.node("QuantizeLinear", [x, ...this.#rangeConstants(name)], output);
  }

  /** The value as float32. */
  #dequantised(x: string): string {
    const { type, dims } = this.builder.value(x);
    if (type === "float32") return x;
    const output = { name: `${x}.float`, type: "float32" as const, dims };
    return this.builder.node("DequantizeLinear", [x, ...this.#rangeConstants(x)], output);
  }

  #range(value: string): ActivationRange {
    const range = this.#ranges.get(rangeKey(value));
    if (range === undefined) throw new Error(`no range for "${value}"; expected one for each of rangeKeys`);
    return range;
  }

  /** Names of the scale and zero point constants of a value. */
  #rangeConstants(value: string): [scale: string, zero: string] {
    const key = rangeKey(value);
    const { scale, zeroPoint } = this.#range(value);
    return [
      this.builder.constant(`${key}.scale`, { type: "float32", dims: [], data: Float32Array.of(scale) }),
      this.builder.constant(`${key}.zero`, { type: "uint8", dims: [], data: Uint8Array.of(zeroPoint) }),
    ];
  }

  #constant(layer: ConvLayer, suffix: string, tensor: Tensor): string {
    return this.builder.constant(`${layer.name}.${suffix}`, tensor);
  }
}

const levelsSuffix = ".levels";

/** Ranges have the name of the float value. MaxPool's output has the range of its input. */
function rangeKey(value: string): string {
  if (value === poolName) return stemName;
  return value.endsWith(levelsSuffix) ? value.slice(0, -levelsSuffix.length) : value;
}

/** How an activation is stored in u8: real = scale * (level - zeroPoint). With a zero point of 0, clipping at level 0 is a ReLU. */
export interface ActivationRange {
  scale: number;
  zeroPoint: number;
}

/** Lower limit of a scale, so that biases and factors stay finite for a channel of zeros. */
const smallestScale = 1e-8;

/** The range [0, high]. */
export function rangeAfterRelu(high: number): ActivationRange {
  return { scale: Math.fround(Math.max(high / 255, smallestScale)), zeroPoint: 0 };
}

/** The range of normalised pixels, from black to white in every channel. Zero, which padding adds, is exact. */
export function pixelRange({ mean, std }: Pick<Preprocessing, "mean" | "std">): ActivationRange {
  const low = Math.min(0, ...mean.map((m, c) => -m / std[c]!));
  const high = Math.max(0, ...mean.map((m, c) => (1 - m) / std[c]!));
  const scale = Math.fround((high - low) / 255);
  return { scale, zeroPoint: Math.min(255, Math.max(0, Math.round(-low / scale))) };
}

/** Weights in 8 bits. */
export interface QuantisedWeights {
  /** [outputs, inputs, height, width], -127 to 127. */
  levels: Int8Array;
  /** Per output channel. */
  scales: Float32Array;
}

/** Quantises symmetrically. The scale of each output channel covers its largest weight: clipping weights does not pay. */
export function quantiseWeights(layer: ConvLayer): QuantisedWeights {
  const [outputs] = layer.dims;
  const perOutput = layer.weight.length / outputs;
  const levels = new Int8Array(layer.weight.length);
  const scales = new Float32Array(outputs);
  for (let o = 0; o < outputs; o++) {
    const row = layer.weight.subarray(o * perOutput, (o + 1) * perOutput);
    const largest = row.reduce((max, weight) => Math.max(max, Math.abs(weight)), 0);
    const scale = Math.fround(Math.max(largest / 127, smallestScale));
    scales[o] = scale;
    row.forEach((weight, i) => {
      levels[o * perOutput + i] = Math.max(-127, Math.min(127, Math.round(weight / scale)));
    });
  }
  return { levels, scales };
}

/** Bias in units of input scale * weight scale, as QLinearConv adds it to its int32 sums. */
export function quantiseBias(bias: Float32Array, inputScale: number, weightScales: Float32Array): Int32Array {
  return Int32Array.from(bias, (value, o) => {
    const level = Math.round(value / (inputScale * weightScales[o]!));
    return Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, level));
  });
}

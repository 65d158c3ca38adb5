/**
 * ResNet and activation ranges -> int8 graph: u8 activations, 8-bit weights with one scale an output channel.
 *
 * The residual trunk stays in float32. Branch and shortcut are added as float, for which the last convolution of a
 * branch hands over its int32 sums (ConvInteger) instead of rounding them to u8; only what enters a convolution is
 * rounded. In u8 (QLinearAdd) the rounding of the trunk, block after block, was nine tenths of all error.
 */
import { GraphBuilder } from "../onnx/builder.ts";
import { int, type Tensor } from "../onnx/graph.ts";
import {
  type CuttableGraph,
  type Emitter,
  emitResNet,
  featuresName,
  logitsName,
  writtenOpset,
} from "./emit.ts";
import { convAttributes, convDims, emitAdd, emitHead, emitMaxPool } from "./float-graph.ts";
import { type ActivationRange, quantiseBias, quantiseWeights } from "./quantise.ts";
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

/** Data type FLOAT of TensorProto, as the attribute of Cast wants it. */
const castToFloat = int(1);

/** The values whose ranges quantisedGraph needs, besides the input's: all are outputs of a ReLU. */
export function rangeKeys(net: ResNet): string[] {
  const outputs = net.blocks.slice(0, -1).map((block) => blockOutputName(block));
  const activations = convolutions(net).filter((layer) => layer.relu);
  return [...activations.map((layer) => layer.name), ...outputs];
}

export interface QuantisedGraphOptions {
  /** Height and width of the input. */
  size: number;
  /** The dense layer, in float, is written in parts if it has more bytes of weights. */
  maxLayerBytes?: number;
}

/** @param ranges By value: inputKey and rangeKeys. */
export function quantisedGraph(
  net: ResNet,
  ranges: ReadonlyMap<string, ActivationRange>,
  options: QuantisedGraphOptions,
): CuttableGraph {
  const emitter = new QuantisedEmitter(ranges, options);
  const cuts = emitResNet(net, emitter);
  return { graph: emitter.builder.build(net.input.name, writtenOpset, [logitsName, featuresName]), cuts };
}

/** The type of a value, float32 or u8, decides how what reads it is written. */
class QuantisedEmitter implements Emitter {
  readonly builder = new GraphBuilder();
  readonly #ranges: ReadonlyMap<string, ActivationRange>;
  readonly #size: number;
  readonly #maxLayerBytes: number;

  constructor(ranges: ReadonlyMap<string, ActivationRange>, options: QuantisedGraphOptions) {
    this.#ranges = ranges;
    this.#size = options.size;
    this.#maxLayerBytes = options.maxLayerBytes ?? Number.POSITIVE_INFINITY;
  }

  get nodeCount(): number {
    return this.builder.nodeCount;
  }

  input(net: ResNet): string {
    const dims = [1, 3, this.#size, this.#size];
    return this.#quantised(this.builder.input({ name: net.input.name, type: "float32", dims }), inputKey);
  }

  conv(layer: ConvLayer, value: string): string {
    const x = this.#quantised(value);
    return layer.relu ? this.#convToLevels(layer, x) : this.#convToFloat(layer, x);
  }

  maxPool(net: ResNet, x: string): string {
    return emitMaxPool(this.builder, net, x);
  }

  add(block: Block, branch: string, shortcut: string): string {
    return emitAdd(this.builder, block, branch, this.#dequantised(shortcut));
  }

  head(net: ResNet, x: string, cut: () => void): void {
    emitHead(this.builder, net, x, { cut, maxLayerBytes: this.#maxLayerBytes });
  }

  /** QLinearConv rounds its int32 sums to u8; where the zero point is 0 the clip is the ReLU. */
  #convToLevels(layer: ConvLayer, x: string): string {
    const { levels, scales } = quantiseWeights(layer);
    const [outputs] = layer.dims;
    const bias = quantiseBias(layer.bias, this.#range(x).scale, scales);
    const inputs = [
      x,
      ...this.#rangeConstants(x),
      this.#constant(layer, "weight", { type: "int8", dims: layer.dims, data: levels }),
      this.#constant(layer, "weight_scale", { type: "float32", dims: [outputs], data: scales }),
      this.#constant(layer, "weight_zero", { type: "int8", dims: [outputs], data: new Int8Array(outputs) }),
      ...this.#rangeConstants(layer.name),
      this.#constant(layer, "bias", { type: "int32", dims: [outputs], data: bias }),
    ];
    const output = { name: layer.name, type: "uint8" as const, dims: convDims(this.builder.dims(x), layer) };
    return this.builder.node("QLinearConv", inputs, output, { attributes: convAttributes(layer) });
  }

  /**
   * ConvInteger, then scale and bias per channel in float. Its weights are u8 around 128 because ORT has no fast
   * kernel for s8 there: 28 ms against 2.8 in WASM for one layer of ResNet34's last stage; the sums are the same.
   */
  #convToFloat(layer: ConvLayer, x: string): string {
    const { builder } = this;
    const { levels, scales } = quantiseWeights(layer);
    const inputScale = this.#range(x).scale;
    const perChannel = (data: Float32Array): Tensor => ({
      type: "float32",
      dims: [1, layer.dims[0], 1, 1],
      data,
    });
    const dims = convDims(builder.dims(x), layer);
    const value = (suffix: string) => ({ name: `${layer.name}${suffix}`, type: "float32" as const, dims });
    const weights = Uint8Array.from(levels, (level) => level + 128);
    const inputs = [
      x,
      this.#constant(layer, "weight", { type: "uint8", dims: layer.dims, data: weights }),
      this.#rangeConstants(x)[1],
      this.#constant(layer, "weight_zero", { type: "uint8", dims: [], data: Uint8Array.of(128) }),
    ];
    const sums = builder.node(
      "ConvInteger",
      inputs,
      { ...value(".sums"), type: "int32" },
      { attributes: convAttributes(layer) },
    );
    const real = builder.node("Cast", [sums], value(".real"), { attributes: { to: castToFloat } });
    const factors = scales.map((scale) => scale * inputScale);
    const scaled = builder.node(
      "Mul",
      [real, this.#constant(layer, "factor", perChannel(factors))],
      value(".scaled"),
    );
    return builder.node("Add", [scaled, this.#constant(layer, "bias", perChannel(layer.bias))], value(""));
  }

  /** The value as u8; a float one is rounded, once however many read it. */
  #quantised(x: string, key = levelsName(x)): string {
    const { type, dims } = this.builder.value(x);
    if (type === "uint8") return x;
    if (this.builder.has(key)) return key;
    return this.builder.node("QuantizeLinear", [x, ...this.#rangeConstants(key)], {
      name: key,
      type: "uint8",
      dims,
    });
  }

  #dequantised(x: string): string {
    const { type, dims } = this.builder.value(x);
    if (type === "float32") return x;
    const output = { name: `${x}.float`, type: "float32" as const, dims };
    return this.builder.node("DequantizeLinear", [x, ...this.#rangeConstants(x)], output);
  }

  #range(value: string): ActivationRange {
    const range = this.#ranges.get(rangeKey(value));
    if (range === undefined) throw new Error(`no range for "${value}"`);
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
const levelsName = (value: string) => `${value}${levelsSuffix}`;

/** Ranges are kept under the name of the float value. MaxPool only chooses among its input's levels. */
function rangeKey(value: string): string {
  if (value === poolName) return stemName;
  return value.endsWith(levelsSuffix) ? value.slice(0, -levelsSuffix.length) : value;
}

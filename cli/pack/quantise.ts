/** Linear quantisation of tensors: real = scale * (level - zeroPoint). */
import type { Preprocessing } from "../../src/model/manifest.ts";
import type { ConvLayer } from "./resnet.ts";

/** How an activation is stored in u8. With a zero point of 0, clipping at level 0 is a ReLU. */
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

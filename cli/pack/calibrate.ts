/** Runs images through the folded float32 network and chooses the range of every quantised activation. */
import type { Preprocessing } from "../../src/model/manifest.ts";
import { writeOnnx } from "../onnx/file.ts";
import { CommandError } from "../terminal/fail.ts";
import { floatGraph } from "./emit.ts";
import type { ImageSet } from "./images.ts";
import { nativeSession } from "./native.ts";
import { type ActivationRange, inputKey, pixelRange, rangeAfterRelu, rangeKeys } from "./quantised-graph.ts";
import type { ResNet } from "./resnet.ts";

/** Every such image also runs sharpened. More of them cost typical images more resolution than extreme ones gain. */
const sharpenedEvery = 8;

/**
 * Chooses the ranges that quantisedGraph needs. Images run one at a time, so memory does not grow with their number.
 * @param onImage Called after each image.
 */
export async function calibrate(
  net: ResNet,
  images: ImageSet,
  preprocessing: Preprocessing,
  onImage: (done: number, total: number) => void = () => {},
): Promise<Map<string, ActivationRange>> {
  const size = preprocessing.crop;
  const probes = rangeKeys(net);
  const histograms = new Map(probes.map((name) => [name, new Histogram()]));
  const session = await nativeSession(writeOnnx(floatGraph(net, { size, probes }).graph));
  try {
    const add = async (tensor: Float32Array) => {
      const outputs = await session.run(tensor, [1, 3, size, size]);
      for (const [name, histogram] of histograms) addWeighted(histogram, outputs.get(name)!.data, name);
    };
    for (let index = 0; index < images.count; index++) {
      const tensor = await images.tensor(index);
      await add(tensor);
      if (index % sharpenedEvery === 0) await add(sharpened(tensor, preprocessing));
      onImage(index + 1, images.count);
    }
  } finally {
    await session.release();
  }
  const ranges = new Map([[inputKey, pixelRange(preprocessing)]]);
  for (const [name, histogram] of histograms) ranges.set(name, searchRange(histogram));
  return ranges;
}

/**
 * Weights each image with one over the root mean square of its activation. Without weights, the few images that excite a
 * network ten times as much as the rest decide every range; with one over the mean square, they are clipped too much.
 */
function addWeighted(histogram: Histogram, values: Float32Array, name: string): void {
  let squares = 0;
  for (const value of values) squares += value * value;
  if (!Number.isFinite(squares)) {
    throw new CommandError(
      `The activation "${name}" is not finite for some calibration image; expected a trained model. Check that the model gives sensible results in float32.`,
    );
  }
  if (squares > 0) histogram.add(values, Math.sqrt(values.length / squares));
}

const amount = 2;
/** Of the square over which the mean is taken. */
const radius = 2;

/**
 * Unsharp mask: adds twice the difference from the mean of the 5x5 pixels around. The result stays between black and
 * white. A network may respond to strong repeated detail, such as the bulbs of a scoreboard, with activations a hundred
 * times as large as to other photographs, and a set of hundreds may have no such photograph. Sharpening brings many
 * photographs closer to it.
 * @param tensor [3, crop, crop], normalised.
 */
export function sharpened(tensor: Float32Array, { crop, mean, std }: Preprocessing): Float32Array {
  const result = new Float32Array(tensor.length);
  const columns = new Float64Array(crop);
  for (const c of [0, 1, 2] as const) {
    const plane = tensor.subarray(c * crop * crop, (c + 1) * crop * crop);
    const [black, white] = [-mean[c] / std[c], (1 - mean[c]) / std[c]];
    for (let y = 0; y < crop; y++) {
      const [top, bottom] = [Math.max(0, y - radius), Math.min(crop - 1, y + radius)];
      columns.fill(0);
      for (let row = top; row <= bottom; row++) {
        for (let x = 0; x < crop; x++) columns[x]! += plane[row * crop + x]!;
      }
      for (let x = 0; x < crop; x++) {
        const [left, right] = [Math.max(0, x - radius), Math.min(crop - 1, x + radius)];
        let sum = 0;
        for (let column = left; column <= right; column++) sum += columns[column]!;
        const value = plane[y * crop + x]!;
        const around = sum / ((bottom - top + 1) * (right - left + 1));
        const sharp = value + amount * (value - around);
        result[(c * crop + y) * crop + x] = Math.max(black, Math.min(white, sharp));
      }
    }
  }
  return result;
}

/** More than 10 * 256, so that a clip at a tenth of the largest value leaves more bins than u8 levels. */
const defaultBins = 8192;

/** Histogram of non-negative values over many images, in one pass. When a value is too large, bins merge in pairs. */
export class Histogram {
  /** Bin i holds the weight of the values in [i * width, (i + 1) * width). Zeros are not counted: rounding keeps them. */
  counts: Float64Array;
  /** Largest value seen. */
  max = 0;
  /** End of the last bin. */
  #reach = 0;

  constructor(bins = defaultBins) {
    this.counts = new Float64Array(bins);
  }

  /** Width of a bin. */
  get width(): number {
    return this.#reach / this.counts.length;
  }

  /**
   * Adds values, each with the given weight.
   * @throws RangeError for values that are negative or not finite.
   */
  add(values: Float32Array, weight = 1): void {
    let max = this.max;
    for (const value of values) {
      // Not `value < 0`, which NaN would pass.
      if (!(value >= 0)) throw new RangeError(`an activation after ReLU is ${value}; expected at least 0`);
      if (value > max) max = value;
    }
    if (max === Number.POSITIVE_INFINITY)
      throw new RangeError("an activation is infinite; expected a finite value");
    this.max = max;
    this.#grow(max);
    if (max === 0) return;
    const { counts } = this;
    const perUnit = 1 / this.width;
    const last = counts.length - 1;
    for (const value of values) {
      if (value !== 0) counts[Math.min(last, Math.floor(value * perUnit))]! += weight;
    }
  }

  /** Doubles the reach until it holds `value`. */
  #grow(value: number): void {
    if (this.#reach === 0) this.#reach = value;
    while (this.#reach < value) {
      const merged = new Float64Array(this.counts.length);
      for (let i = 0; i < merged.length; i++) merged[i >> 1]! += this.counts[i]!;
      this.counts = merged;
      this.#reach *= 2;
    }
  }
}

/** Clips are tried from this fraction of the largest value up to all of it. */
const smallestFraction = 0.1;
const steps = 91;

/**
 * Returns the u8 range with the least squared quantisation error over the histogram of an activation. Clipping rare large
 * values costs less than all others gain in resolution. The MSE calibrators of TensorRT and OpenVINO do the same; see
 * also Banner et al. 2019 (arXiv 1810.05723).
 */
export function searchRange(histogram: Histogram): ActivationRange {
  let chosen = rangeAfterRelu(histogram.max);
  let lowest = squaredError(histogram, chosen);
  for (let i = 1; i < steps; i++) {
    const candidate = rangeAfterRelu(histogram.max * (1 - ((1 - smallestFraction) * i) / (steps - 1)));
    const error = squaredError(histogram, candidate);
    if (error < lowest) [chosen, lowest] = [candidate, error];
  }
  return chosen;
}

/** Sum of weight * (value - quantised value)^2 over the bins, each at its centre. */
export function squaredError({ counts, width }: Histogram, { scale, zeroPoint }: ActivationRange): number {
  let sum = 0;
  for (let i = 0; i < counts.length; i++) {
    if (counts[i] === 0) continue;
    const value = (i + 0.5) * width;
    const level = Math.max(0, Math.min(255, Math.round(value / scale) + zeroPoint));
    sum += counts[i]! * (value - (level - zeroPoint) * scale) ** 2;
  }
  return sum;
}

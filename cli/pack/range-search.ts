/**
 * Finds the u8 range of an activation with the least squared quantisation error over its histogram. Clipping rare large
 * values costs less than all others gain in resolution. The MSE calibrators of TensorRT and OpenVINO do the same; see
 * also Banner et al. 2019 (arXiv 1810.05723).
 */
import type { Histogram } from "./histogram.ts";
import { type ActivationRange, rangeAfterRelu } from "./quantise.ts";

/** Clips are tried from this fraction of the largest value up to all of it. */
const smallestFraction = 0.1;
const steps = 91;

/** Tries every clip and returns the best range. */
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

/**
 * Class means of normalised features, compared by cosine: the nearest-mean classifier of Mensink et al. (2013), or the
 * prototypes of Snell et al. (2017) with cosine instead of Euclidean distance. Works from one photo per class. Pure.
 */
import { l2Normalised } from "../../src/model/scores.ts";
import type { Linear } from "./logistic.ts";
import type { Sample } from "./rows.ts";

/** Temperature of cosines when there are no folds to fit it on: the order of magnitude that folds give. */
export const defaultCosineTemperature = 0.05;

/** [classes, size]: the normalised mean of each class's normalised features. Every image has the same weight. */
export function classMeans(samples: readonly Sample[], classCount: number): Float64Array {
  const size = samples[0]?.views[0]?.length ?? 0;
  const sums = new Float64Array(classCount * size);
  for (const { views, classIndex } of samples) {
    for (const view of views) {
      const unit = l2Normalised(view);
      for (let i = 0; i < size; i++) sums[classIndex * size + i]! += unit[i]! / views.length;
    }
  }
  for (let c = 0; c < classCount; c++) {
    const row = sums.subarray(c * size, (c + 1) * size);
    const norm = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0));
    if (norm > 0) for (let i = 0; i < size; i++) row[i]! /= norm;
  }
  return sums;
}

/** A linear layer that turns normalised features into cosines to the class means. */
export function prototypes(samples: readonly Sample[], classCount: number): Linear {
  return { weights: classMeans(samples, classCount), bias: new Float64Array(classCount) };
}

/** Logits [classes] of a linear layer. */
export function apply({ weights, bias }: Linear, features: Float32Array): Float64Array {
  const size = features.length;
  return bias.map((offset, c) => {
    let sum = offset;
    for (let i = 0; i < size; i++) sum += weights[c * size + i]! * features[i]!;
    return sum;
  });
}

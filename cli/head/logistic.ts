/**
 * Multinomial logistic regression with an L2 penalty, on standardised features. Pure.
 * Minimises  sum_i w_i CE(softmax(W z_i + b), y_i) / sum_i w_i  +  strength / 2 |W|^2,  z the standardised features;
 * the bias is not penalised. The result is converted back, so that it applies to the original features.
 */
import { type Minimum, minimise, type Objective } from "./lbfgs.ts";
import type { Rows } from "./rows.ts";

/** A linear layer. */
export interface Linear {
  /** [classes, size], row-major. */
  readonly weights: Float64Array;
  /** [classes] */
  readonly bias: Float64Array;
}

/** A fitted layer and how the solver ended. */
export type LogisticFit = Linear & { readonly minimum: Minimum };

/**
 * Sets up a regression once, to solve it for several penalty strengths, each starting from the previous solution. The
 * tolerance is that of {@link minimise}.
 * @returns a function that fits the layer. The objective is strictly convex, so the solver should always converge; the
 *   function throws an Error when it does not.
 */
export function logisticSolver(
  rows: Rows,
  classCount: number,
): (strength: number, tolerance?: number) => LogisticFit {
  const { size } = rows;
  const { mean, scale } = moments(rows);
  const features = rows.features.map((value, i) => (value - mean[i % size]!) / scale[i % size]!);
  let start: Float64Array = new Float64Array(classCount * (size + 1));
  return (strength, tolerance) => {
    const objective = crossEntropy({ ...rows, features }, classCount, strength);
    const minimum = minimise(objective, start, tolerance);
    const { x, converged, gradientNorm, iterations } = minimum;
    if (!converged) {
      throw new Error(
        `the regression did not converge at strength ${strength}: its gradient is ${gradientNorm} after ${iterations} iterations; please report this with the head's images`,
      );
    }
    start = x;
    const weights = new Float64Array(classCount * size);
    const bias = x.slice(classCount * size);
    for (let i = 0; i < weights.length; i++) {
      weights[i] = x[i]! / scale[i % size]!;
      bias[Math.floor(i / size)]! -= weights[i]! * mean[i % size]!;
    }
    return { weights, bias, minimum };
  };
}

/**
 * The regression's objective, over the weights [classes, size] followed by the bias [classes].
 * @param strength of the L2 penalty on the weights
 */
export function crossEntropy(rows: Rows, classCount: number, strength: number): Objective {
  const { features, classes, weights: rowWeights, size } = rows;
  const totalWeight = rowWeights.reduce((sum, weight) => sum + weight, 0);
  const biasAt = classCount * size;
  const scores = new Float64Array(classCount);
  return (x, gradient) => {
    gradient.fill(0);
    let value = 0;
    for (const [row, label] of classes.entries()) {
      const at = row * size;
      let max = Number.NEGATIVE_INFINITY;
      for (let c = 0; c < classCount; c++) {
        let score = x[biasAt + c]!;
        for (let i = 0, w = c * size; i < size; i++, w++) score += x[w]! * features[at + i]!;
        scores[c] = score;
        if (score > max) max = score;
      }
      let sum = 0;
      for (let c = 0; c < classCount; c++) sum += Math.exp(scores[c]! - max);
      const logSum = max + Math.log(sum);
      const share = rowWeights[row]! / totalWeight;
      value += share * (logSum - scores[label]!);
      for (let c = 0; c < classCount; c++) {
        const delta = share * (Math.exp(scores[c]! - logSum) - (c === label ? 1 : 0));
        gradient[biasAt + c]! += delta;
        for (let i = 0, w = c * size; i < size; i++, w++) gradient[w]! += delta * features[at + i]!;
      }
    }
    for (let w = 0; w < biasAt; w++) {
      value += (strength / 2) * x[w]! * x[w]!;
      gradient[w]! += strength * x[w]!;
    }
    return value;
  };
}

/** Weighted mean and standard deviation of each feature. A constant feature gets a scale of 1. */
function moments({ features, weights, size }: Rows): { mean: Float64Array; scale: Float64Array } {
  const mean = new Float64Array(size);
  const scale = new Float64Array(size);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  for (const [row, weight] of weights.entries()) {
    for (let i = 0; i < size; i++) mean[i]! += (weight / total) * features[row * size + i]!;
  }
  for (const [row, weight] of weights.entries()) {
    for (let i = 0; i < size; i++) {
      scale[i]! += (weight / total) * (features[row * size + i]! - mean[i]!) ** 2;
    }
  }
  return { mean, scale: scale.map((variance) => (variance > 1e-12 ? Math.sqrt(variance) : 1)) };
}

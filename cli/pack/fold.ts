/** Folds BatchNorm into the convolution before it, in float64. */

/** Parameters of a BatchNorm in inference, one value per channel. */
export interface BatchNorm {
  gamma: Float32Array;
  beta: Float32Array;
  mean: Float32Array;
  variance: Float32Array;
  epsilon: number;
}

/**
 * Weights and bias of one convolution that computes what convolution and BatchNorm compute, per output channel:
 * w' = w * gamma / sqrt(variance + epsilon), b' = (b - mean) * gamma / sqrt(variance + epsilon) + beta.
 * @param weight [outputs, ...], row-major.
 * @param bias [outputs], or null for none.
 */
export function foldBatchNorm(
  weight: Float32Array,
  bias: Float32Array | null,
  norm: BatchNorm,
): { weight: Float32Array; bias: Float32Array } {
  const outputs = norm.gamma.length;
  const perOutput = weight.length / outputs;
  const foldedWeight = new Float32Array(weight.length);
  const foldedBias = new Float32Array(outputs);
  for (let o = 0; o < outputs; o++) {
    const factor = norm.gamma[o]! / Math.sqrt(norm.variance[o]! + norm.epsilon);
    for (let i = o * perOutput; i < (o + 1) * perOutput; i++) foldedWeight[i] = weight[i]! * factor;
    foldedBias[o] = ((bias?.[o] ?? 0) - norm.mean[o]!) * factor + norm.beta[o]!;
  }
  return { weight: foldedWeight, bias: foldedBias };
}

/** BatchNorm folded into the convolution before it, in float64. */

export interface BatchNorm {
  gamma: Float32Array;
  beta: Float32Array;
  mean: Float32Array;
  variance: Float32Array;
  epsilon: number;
}

/**
 * Convolution weights and bias that give what convolution and BatchNorm gave: w' = w * gamma / sqrt(variance + epsilon),
 * b' = (b - mean) * gamma / sqrt(variance + epsilon) + beta, per output channel.
 * @param weight [outputs, ...], row-major; `bias` null means none.
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

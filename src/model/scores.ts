/** Logits to predictions. Pure. */
import type { Label } from "./manifest.ts";

export interface Prediction {
  readonly label: string;
  /** Probability in 0..1. */
  readonly score: number;
  /** Class index, 0-based. */
  readonly index: number;
  readonly id: string;
}

/** Softmax over [classes] logits, in float64; shifted by the maximum so that exp cannot overflow. */
export function softmax(logits: Float32Array): Float64Array {
  let max = -Infinity;
  for (const logit of logits) max = Math.max(max, logit);
  const scores = Float64Array.from(logits, (logit) => Math.exp(logit - max));
  let sum = 0;
  for (const score of scores) sum += score;
  return scores.map((score) => score / sum);
}

/** The `k` highest scores, best first; equal scores in the order of their class index. */
export function topK(scores: Float64Array, labels: readonly Label[], k: number): Prediction[] {
  const order = Array.from(scores.keys()).sort((a, b) => scores[b]! - scores[a]! || a - b);
  return order.slice(0, k).map((index) => {
    const { label, id } = labels[index]!;
    return { label, score: scores[index]!, index, id };
  });
}

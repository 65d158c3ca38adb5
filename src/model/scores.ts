/** From the model's outputs to predictions. */
import type { Label } from "./manifest.ts";
import { modelUnavailable } from "./unavailable.ts";

/**
 * Returns an output of the model after checks.
 * @throws ClassifierError model_unavailable, if it is missing, of the wrong length or not finite
 */
export function checkedOutput(name: string, data: unknown, length: number): Float32Array {
  if (!(data instanceof Float32Array) || data.length !== length) {
    const actual = data instanceof Float32Array ? data.length : "no";
    throw modelUnavailable(`the model's output ${name} has ${actual} values; expected ${length}`);
  }
  // Weights or a preprocessing that do not belong together cause this. An error is better than a wrong answer.
  if (!data.every(Number.isFinite)) throw modelUnavailable(`the model's output ${name} is not finite`);
  return data;
}

/** One class with its score. */
export interface Prediction {
  readonly label: string;
  /** A probability, 0 to 1; with function_to_apply `none`, the logit. */
  readonly score: number;
  /** Class index, 0-based. */
  readonly index: number;
  readonly id: string;
}

/**
 * Softmax over [classes] logits, in float64, shifted by the maximum so that exp cannot overflow.
 * @param temperature divides the logits. Above 1 it flattens the probabilities.
 */
export function softmax(logits: Float32Array, temperature = 1): Float64Array {
  let max = -Infinity;
  for (const logit of logits) max = Math.max(max, logit);
  const scores = Float64Array.from(logits, (logit) => Math.exp((logit - max) / temperature));
  let sum = 0;
  for (const score of scores) sum += score;
  return scores.map((score) => score / sum);
}

/** Sigmoid of each logit, for labels that do not exclude each other: 0 to 1 each, without a fixed sum. */
export function sigmoid(logits: Float32Array): Float64Array {
  return Float64Array.from(logits, (logit) => 1 / (1 + Math.exp(-logit)));
}

/** The functions that turn logits into scores, by Hugging Face's names. */
export const functionsToApply = ["softmax", "sigmoid", "none"] as const;
/** One of functionsToApply. */
export type FunctionToApply = (typeof functionsToApply)[number];

/** Entropy of probabilities, in nats: 0 if one class has them all, ln(classes) if they are equal. */
export function entropy(probabilities: Float64Array): number {
  let sum = 0;
  for (const p of probabilities) if (p > 0) sum -= p * Math.log(p);
  return sum;
}

/** Returns the scores of [classes] logits. The temperature affects softmax only. `none` returns the logits. */
export function applyFunction(
  logits: Float32Array,
  functionToApply: FunctionToApply,
  temperature = 1,
): Float64Array {
  switch (functionToApply) {
    case "softmax":
      return softmax(logits, temperature);
    case "sigmoid":
      return sigmoid(logits);
    case "none":
      return Float64Array.from(logits);
  }
}

/** Returns a copy of length 1 in the Euclidean norm. A vector of zeros stays zero. */
export function l2Normalised(vector: Float32Array | Float64Array): Float32Array {
  let squares = 0;
  for (const value of vector) squares += value * value;
  const norm = Math.sqrt(squares);
  return Float32Array.from(vector, (value) => (norm > 0 ? value / norm : 0));
}

/** Returns the `k` highest scores, best first. Equal scores keep the order of their class index. */
export function topK(scores: Float64Array, labels: readonly Label[], k: number): Prediction[] {
  const order = Array.from(scores.keys()).sort((a, b) => scores[b]! - scores[a]! || a - b);
  return order.slice(0, k).map((index) => {
    const { label, id } = labels[index]!;
    return { label, score: scores[index]!, index, id };
  });
}

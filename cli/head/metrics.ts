/** Measures and calibrates predictions. Pure. */
import { calibrationError, type Outcome } from "../pack/confidence.ts";

/** Logits [classes] of images, with the true class of each. */
export interface Scored {
  readonly logits: readonly Float64Array[];
  readonly classes: readonly number[];
}

/** Quality of predictions. The field names are those of the head file. */
export interface Metrics {
  readonly count: number;
  readonly correct: number;
  readonly accuracy: number;
  /** 95% confidence interval of the accuracy (Wilson, 1927). */
  readonly interval: readonly [number, number];
  /** Mean negative log-likelihood, in nats. */
  readonly log_loss: number;
  /** Expected calibration error. */
  readonly ece: number;
  /** confusion[true][predicted] */
  readonly confusion: readonly (readonly number[])[];
  /** Per class; null for a class that was never predicted. */
  readonly precision: readonly (number | null)[];
  readonly recall: readonly number[];
}

/** Computes all metrics of logits divided by `temperature`. */
export function metricsOf({ logits, classes }: Scored, classCount: number, temperature: number): Metrics {
  const confusion = Array.from({ length: classCount }, () => new Array<number>(classCount).fill(0));
  const outcomes: Outcome[] = [];
  for (const [i, row] of logits.entries()) {
    const probabilities = softmax(row, temperature);
    const confidence = Math.max(...probabilities);
    const predicted = probabilities.indexOf(confidence);
    confusion[classes[i]!]![predicted]! += 1;
    outcomes.push({ confidence, isRight: predicted === classes[i] });
  }
  const count = logits.length;
  const correct = confusion.reduce((sum, row, c) => sum + row[c]!, 0);
  const rowSums = confusion.map((row) => row.reduce((sum, n) => sum + n, 0));
  const columnSums = confusion.map((_, c) => confusion.reduce((sum, row) => sum + row[c]!, 0));
  return {
    count,
    correct,
    accuracy: correct / count,
    interval: wilson(correct, count),
    log_loss: logLoss({ logits, classes }, temperature),
    ece: calibrationError(outcomes),
    confusion,
    precision: confusion.map((row, c) => (columnSums[c]! > 0 ? row[c]! / columnSums[c]! : null)),
    recall: confusion.map((row, c) => (rowSums[c]! > 0 ? row[c]! / rowSums[c]! : 0)),
  };
}

/** Mean negative log-likelihood, in nats, of logits divided by `temperature`. */
export function logLoss({ logits, classes }: Scored, temperature: number): number {
  let sum = 0;
  for (const [i, row] of logits.entries()) {
    const max = Math.max(...row);
    const total = row.reduce((t, logit) => t + Math.exp((logit - max) / temperature), 0);
    sum += Math.log(total) - (row[classes[i]!]! - max) / temperature;
  }
  return sum / logits.length;
}

/** A head would be always certain at a lower temperature, and never at a higher one. */
const temperatureRange = [0.01, 100] as const;

/**
 * Finds the temperature with the lowest log-loss on held-out logits, by ternary search over its logarithm (Guo et al., On
 * Calibration of Modern Neural Networks, 2017, section 4.2).
 */
export function fitTemperature(scored: Scored): number {
  let [low, high] = temperatureRange.map(Math.log) as [number, number];
  while (high - low > 1e-6) {
    const third = (high - low) / 3;
    const [left, right] = [low + third, high - third];
    if (logLoss(scored, Math.exp(left)) < logLoss(scored, Math.exp(right))) high = right;
    else low = left;
  }
  return Math.exp((low + high) / 2);
}

function softmax(logits: Float64Array, temperature: number): Float64Array {
  const max = Math.max(...logits);
  const scores = logits.map((logit) => Math.exp((logit - max) / temperature));
  const sum = scores.reduce((total, score) => total + score, 0);
  return scores.map((score) => score / sum);
}

/** 95% score interval of a share (Wilson, 1927). */
export function wilson(correct: number, count: number): [number, number] {
  const z = 1.96;
  const share = correct / count;
  const centre = share + z ** 2 / (2 * count);
  const reach = z * Math.sqrt((share * (1 - share)) / count + z ** 2 / (4 * count ** 2));
  const scale = 1 + z ** 2 / count;
  // Clamped, because rounding can leave 0..1.
  return [Math.max(0, (centre - reach) / scale), Math.min(1, (centre + reach) / scale)];
}

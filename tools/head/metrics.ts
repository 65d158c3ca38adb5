/** How good predictions are. Pure. */

/** Held-out logits with the true class of each. */
export interface Scored {
  readonly logits: readonly Float64Array[];
  readonly classes: readonly number[];
}

export interface Metrics {
  readonly count: number;
  readonly correct: number;
  readonly accuracy: number;
  /** 95% interval of the accuracy, by Wilson (1927). */
  readonly interval: readonly [number, number];
  /** Mean negative log-likelihood, nats. */
  readonly log_loss: number;
  /** Expected calibration error, 10 bins of equal width (Guo et al., 2017, section 2). */
  readonly ece: number;
  /** confusion[true][predicted] */
  readonly confusion: readonly (readonly number[])[];
  /** Of each class; null where nothing was predicted to be of it. */
  readonly precision: readonly (number | null)[];
  readonly recall: readonly number[];
}

const bins = 10;

/** @param temperature that the logits are divided by */
export function metricsOf({ logits, classes }: Scored, classCount: number, temperature: number): Metrics {
  const confusion = Array.from({ length: classCount }, () => new Array<number>(classCount).fill(0));
  const binned = Array.from({ length: bins }, () => ({ confidence: 0, correct: 0 }));
  for (const [i, row] of logits.entries()) {
    const probabilities = softmax(row, temperature);
    const predicted = argmax(probabilities);
    confusion[classes[i]!]![predicted]! += 1;
    const confidence = probabilities[predicted]!;
    const bin = binned[Math.min(bins - 1, Math.floor(confidence * bins))]!;
    bin.confidence += confidence;
    bin.correct += predicted === classes[i] ? 1 : 0;
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
    ece: binned.reduce((sum, bin) => sum + Math.abs(bin.confidence - bin.correct), 0) / count,
    confusion,
    precision: confusion.map((row, c) => (columnSums[c]! > 0 ? row[c]! / columnSums[c]! : null)),
    recall: confusion.map((row, c) => (rowSums[c]! > 0 ? row[c]! / rowSums[c]! : 0)),
  };
}

/** Mean negative log-likelihood in nats of logits divided by `temperature`. */
export function logLoss({ logits, classes }: Scored, temperature: number): number {
  let sum = 0;
  for (const [i, row] of logits.entries()) {
    const max = Math.max(...row);
    const total = row.reduce((t, logit) => t + Math.exp((logit - max) / temperature), 0);
    sum += Math.log(total) - (row[classes[i]!]! - max) / temperature;
  }
  return sum / logits.length;
}

export function argmax(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}

function softmax(logits: Float64Array, temperature: number): Float64Array {
  const max = Math.max(...logits);
  const scores = logits.map((logit) => Math.exp((logit - max) / temperature));
  const sum = scores.reduce((total, score) => total + score, 0);
  return scores.map((score) => score / sum);
}

/** 95% score interval of a share: Wilson, 1927. */
export function wilson(correct: number, count: number): [number, number] {
  const z = 1.96;
  const share = correct / count;
  const centre = share + z ** 2 / (2 * count);
  const reach = z * Math.sqrt((share * (1 - share)) / count + z ** 2 / (4 * count ** 2));
  const scale = 1 + z ** 2 / count;
  // Rounding must not give a share beyond 0 or 1.
  return [Math.max(0, (centre - reach) / scale), Math.min(1, (centre + reach) / scale)];
}

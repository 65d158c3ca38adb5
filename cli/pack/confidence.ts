/** How far probabilities can be trusted: calibration error, and thresholds with a stated precision. Pure. */

/** One labelled image: its highest probability, and whether that class is right. */
export interface Outcome {
  readonly confidence: number;
  readonly isRight: boolean;
}

/** A threshold on the highest probability, and what it does to the images that it was chosen on. */
export interface ConfidenceThreshold {
  readonly threshold: number;
  /** Share of images at or above the threshold that are right. */
  readonly precision: number;
  /** Share of images at or above the threshold. */
  readonly coverage: number;
}

/** Bins of the calibration error. */
const bins = 15;
/** Images that must be above a threshold before its precision counts. */
const minImages = 20;

/** Expected calibration error over 15 bins of equal width (Guo et al., 2017, section 2). */
export function calibrationError(outcomes: readonly Outcome[]): number {
  let sum = 0;
  for (const group of binned(outcomes)) {
    sum += Math.abs(group.reduce((gap, { confidence, isRight }) => gap + confidence - Number(isRight), 0));
  }
  return sum / outcomes.length;
}

/**
 * The calibration error that chance alone causes: what to expect of as many images with these confidences if each
 * confidence is the true probability. The gap of a bin is then nearly normal with mean 0 and variance sum p (1 - p), so its
 * mean size is sqrt(2 / pi) standard deviations.
 */
export function chanceCalibrationError(outcomes: readonly Outcome[]): number {
  let sum = 0;
  for (const group of binned(outcomes)) {
    const variance = group.reduce((total, { confidence }) => total + confidence * (1 - confidence), 0);
    sum += Math.sqrt((2 / Math.PI) * variance);
  }
  return sum / outcomes.length;
}

function binned(outcomes: readonly Outcome[]): Iterable<Outcome[]> {
  const binOf = ({ confidence }: Outcome) => Math.min(bins - 1, Math.floor(confidence * bins));
  return Map.groupBy(outcomes, binOf).values();
}

/**
 * Returns the lowest threshold above which at least `precision` of the images are right, even at the lower bound of the
 * Wilson score interval with z = 1 (Wilson, 1927). The bound keeps the promise for other images about four times in five;
 * the plain share would keep it half the time. Undefined if no threshold qualifies.
 */
export function confidenceThreshold(
  outcomes: readonly Outcome[],
  precision: number,
): ConfidenceThreshold | undefined {
  const sorted = outcomes.toSorted((a, b) => b.confidence - a.confidence);
  let found: ConfidenceThreshold | undefined;
  let right = 0;
  for (const [i, { confidence, isRight }] of sorted.entries()) {
    right += Number(isRight);
    const count = i + 1;
    // Equal confidences are on the same side of any threshold.
    if (count < minImages || sorted[count]?.confidence === confidence) continue;
    if (wilsonLowerBound(right, count) < precision) continue;
    found = { threshold: confidence, precision: right / count, coverage: count / sorted.length };
  }
  return found;
}

/** Lower bound of the Wilson score interval for a share, with z = 1. */
function wilsonLowerBound(count: number, total: number): number {
  const share = count / total;
  const spread = Math.sqrt((share * (1 - share)) / total + 1 / (4 * total * total));
  return (share + 1 / (2 * total) - spread) / (1 + 1 / total);
}

/** Share of `values` above `threshold`. */
export function shareAbove(values: readonly number[], threshold: number): number {
  return values.filter((value) => value > threshold).length / values.length;
}

/** The value below which `share` of the values are, for at least one value. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
}

/** Area under the ROC curve: how often a value of `positives` exceeds one of `negatives`. Ties count half. */
export function areaUnderCurve(positives: readonly number[], negatives: readonly number[]): number {
  let wins = 0;
  for (const a of positives) for (const b of negatives) wins += a > b ? 1 : a === b ? 0.5 : 0;
  return wins / (positives.length * negatives.length);
}

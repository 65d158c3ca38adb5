/** Learns to reject images of unknown classes: those whose cosine to the nearest class mean is under a threshold. Pure. */
import { crossValidatePrototypes } from "./cross-validate.ts";
import type { Sample } from "./rows.ts";

/** A learned threshold, and how often it rejects. */
export interface UnknownRule {
  readonly threshold: number;
  /** Share of held-out images of the known classes that are called unknown. */
  readonly own_called_unknown: number;
  /** Share of images called unknown when their own class is left out of the means; null with two classes. */
  readonly foreign_called_unknown: number | null;
}

/**
 * Learns the threshold from the cosines of held-out images to the class means of the other folds.
 * @param rate Share of your own images that may be called unknown.
 */
export function learnUnknown(
  samples: readonly Sample[],
  classCount: number,
  foldOf: readonly number[],
  rate: number,
): UnknownRule {
  const { logits: cosines, classes } = crossValidatePrototypes(samples, classCount, foldOf);
  const own = cosines.map((row) => Math.max(...row));
  const foreign = cosines.map((row, i) => Math.max(...row.filter((_, c) => c !== classes[i])));
  const threshold = own.toSorted((a, b) => a - b)[Math.floor(rate * own.length)]!;
  const under = (values: readonly number[]) =>
    values.filter((cosine) => cosine < threshold).length / values.length;
  return {
    threshold,
    own_called_unknown: under(own),
    foreign_called_unknown: classCount > 2 ? under(foreign) : null,
  };
}

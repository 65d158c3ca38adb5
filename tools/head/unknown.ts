/** Images far from every class: the cosine to the nearest class mean under which an image counts as unknown. Pure. */
import { l2Normalised } from "../../src/model/scores.ts";
import { apply, classMeans } from "./prototype.ts";
import { plainView, type Sample } from "./rows.ts";

export interface UnknownRule {
  readonly threshold: number;
  /** Share of held-out images of the own classes that are called unknown. */
  readonly own_called_unknown: number;
  /** Share of images that are called unknown when their own class is left out of the means; null with two classes. */
  readonly foreign_called_unknown: number | null;
}

/**
 * Learns the threshold from folds: class means of the others, cosines of those held out.
 * @param rate share of one's own images that may be called unknown
 */
export function learnUnknown(
  samples: readonly Sample[],
  classCount: number,
  foldOf: readonly number[],
  rate: number,
): UnknownRule {
  const own: number[] = [];
  const foreign: number[] = [];
  for (const fold of new Set(foldOf)) {
    const means = classMeans(
      samples.filter((_, i) => foldOf[i] !== fold),
      classCount,
    );
    for (const sample of samples.filter((_, i) => foldOf[i] === fold)) {
      const cosines = apply(
        { weights: means, bias: new Float64Array(classCount) },
        l2Normalised(plainView(sample)),
      );
      own.push(Math.max(...cosines));
      foreign.push(Math.max(...cosines.filter((_, c) => c !== sample.classIndex)));
    }
  }
  const threshold = own.toSorted((a, b) => a - b)[Math.floor(rate * own.length)]!;
  const under = (cosines: readonly number[]) =>
    cosines.filter((cosine) => cosine < threshold).length / cosines.length;
  return {
    threshold,
    own_called_unknown: under(own),
    foreign_called_unknown: classCount > 2 ? under(foreign) : null,
  };
}

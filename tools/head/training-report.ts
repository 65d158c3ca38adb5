/** What a training found: for the head file, and for people. Pure. */
import { numberText, shareText } from "../plot/format.ts";
import { kilobytes } from "../terminal/output.ts";
import type { Dataset, Problem } from "./dataset.ts";
import type { Metrics } from "./metrics.ts";
import { listed } from "./problems.ts";
import { accuracyText, confusionText } from "./report.ts";
import type { Sample } from "./rows.ts";
import type { Trained } from "./train.ts";

interface Outcome {
  readonly trained: Trained;
  readonly skipped: readonly Problem[];
  readonly baseline: Metrics | undefined;
  readonly dataset: Dataset;
}

interface Settings {
  readonly seed: number;
  readonly augment: string;
}

/** The head file's `training`: nothing of this machine in it, so that equal images give an equal file. */
export function trainingRecord({
  trained,
  skipped,
  baseline,
  dataset,
  samples,
  options,
}: Outcome & { readonly samples: readonly Sample[]; readonly options: Settings }): Record<string, unknown> {
  const { metrics, uncalibrated, unknown, strength, folds } = trained;
  return {
    images: Object.fromEntries(
      dataset.classes.map((name, c) => [name, samples.filter(({ classIndex }) => classIndex === c).length]),
    ),
    skipped: skipped.map(({ file, reason }) => `${file}: ${reason}`),
    augmentation: options.augment,
    seed: options.seed,
    folds,
    ...(strength === undefined ? {} : { l2_strength: strength }),
    held_out: metrics ? { ...metrics, ece_uncalibrated: uncalibrated?.ece } : null,
    ...(baseline ? { colour_histogram_accuracy: baseline.accuracy } : {}),
    ...(unknown
      ? {
          unknown: {
            own_called_unknown: unknown.own_called_unknown,
            foreign_called_unknown: unknown.foreign_called_unknown,
          },
        }
      : {}),
  };
}

interface Written {
  readonly name: string;
  readonly version: string;
  readonly file: string;
  readonly bytes: number;
  readonly confusion: string | null;
}

export function trainingText(
  outcome: Outcome & { readonly written: Written; readonly requestedFolds: number },
): string {
  const { dataset, skipped, written } = outcome;
  const parts = [
    ...(dataset.ignored.length > 0 ? [`ignored files of the system: ${dataset.ignored.join(", ")}`] : []),
    ...(skipped.length > 0 ? [`left out:\n${listed(skipped)}`] : []),
    ...quality(outcome),
    `${written.file}: ${written.name} ${written.version}, ${kilobytes(written.bytes)}`,
    ...(written.confusion ? [`${written.confusion}: the table as a picture`] : []),
    `next: npm run head -- push ${written.file}`,
  ];
  return parts.join("\n");
}

function quality({
  trained,
  baseline,
  dataset,
  requestedFolds,
}: Outcome & { readonly requestedFolds: number }): string[] {
  const { metrics, uncalibrated, folds, strength, temperature, unknown } = trained;
  if (!metrics || !uncalibrated) {
    return [
      "a class has one image only: nothing could be held out, and so nothing is known of how good the head is",
    ];
  }
  const fewer = folds < requestedFolds ? `: as many as the smallest class has images` : "";
  return [
    `${folds} folds${fewer}; each image was judged by a head that had not seen it`,
    "",
    confusionText(dataset.classes, metrics),
    "",
    `accuracy       ${accuracyText(metrics)}`,
    ...(baseline ? [`colours alone  ${accuracyText(baseline)}`] : []),
    `log-loss       ${numberText(metrics.log_loss)} nats; always guessing alike: ${numberText(Math.log(dataset.classes.length))}`,
    `calibration    error ${shareText(uncalibrated.ece)} before, ${shareText(metrics.ece)} at temperature ${numberText(temperature)}`,
    ...(strength === undefined ? [] : [`penalty        ${strength}, by the lowest held-out log-loss`]),
    ...(unknown ? [unknownText(unknown)] : []),
    "",
  ];
}

function unknownText({
  threshold,
  own_called_unknown: own,
  foreign_called_unknown: foreign,
}: NonNullable<Trained["unknown"]>): string {
  const found = foreign === null ? "" : `; of a class left out: ${shareText(foreign)}`;
  return `unknown        cosine under ${numberText(threshold)}: of one's own images ${shareText(own)}${found}`;
}

/** Describes a training: the record in the head file, and text for the terminal. Pure. */
import type { Label } from "../../src/model/manifest.ts";
import { npmRun } from "../commands/shared.ts";
import { numberText, shareText } from "../plot/format.ts";
import { kilobytes, shorten, table } from "../terminal/output.ts";
import { confidentText } from "../terminal/score-rows.ts";
import { type Dataset, listed, type Problem } from "./dataset.ts";
import type { Pace } from "./embed.ts";
import type { Metrics } from "./metrics.ts";
import type { Sample } from "./rows.ts";
import type { Trained } from "./train.ts";

/** The result of a training. */
export interface Outcome {
  readonly trained: Trained;
  readonly skipped: readonly Problem[];
  /** Metrics of colour histograms, with --baseline. */
  readonly baseline: Metrics | undefined;
  readonly dataset: Dataset;
  readonly labels: readonly Label[];
  /** What computed the features. */
  readonly runtime: Pace["runtime"];
}

/** What was written; `confusion` is the path of the picture. */
export interface Written {
  readonly name: string;
  readonly version: string;
  readonly file: string;
  readonly bytes: number;
  readonly confusion: string | null;
}

/** Returns the head file's `training` field. It has no paths and no times, so equal images give an equal file. */
export function trainingRecord(
  { trained, skipped, baseline, dataset, runtime }: Outcome,
  samples: readonly Sample[],
  { augment, seed }: { readonly seed: number; readonly augment: string },
): Record<string, unknown> {
  const { metrics, confidence, unknown, strength, folds } = trained;
  const { threshold: _, centroids: _centroids, backboneClasses: _classes, ...rejected } = unknown ?? {};
  const countOf = (c: number) => samples.filter(({ classIndex }) => classIndex === c).length;
  return {
    images: Object.fromEntries(dataset.classes.map((name, c) => [name, countOf(c)])),
    skipped: skipped.map(({ file, reason }) => `${file}: ${reason}`),
    runtime,
    augmentation: augment,
    seed,
    folds,
    ...(strength === undefined ? {} : { l2_strength: strength }),
    held_out:
      metrics && confidence
        ? {
            ...metrics,
            ece: confidence.error,
            ece_by_chance: confidence.chanceError,
            ece_uncalibrated: confidence.errorBefore,
          }
        : null,
    ...(baseline ? { colour_histogram_accuracy: baseline.accuracy } : {}),
    ...(unknown ? { unknown: rejected } : {}),
  };
}

/** Returns text for the terminal. */
export function trainingText(outcome: Outcome, written: Written, requestedFolds: number): string {
  const { dataset, skipped } = outcome;
  return [
    ...(dataset.ignored.length > 0 ? [`ignored system files: ${dataset.ignored.join(", ")}`] : []),
    ...(skipped.length > 0 ? [`skipped:\n${listed(skipped)}`] : []),
    ...quality(outcome, requestedFolds),
    `${written.file}: ${written.name} ${written.version}, ${kilobytes(written.bytes)}`,
    ...(written.confusion ? [`${written.confusion}: the table as a picture`] : []),
    `next: ${npmRun("head", "push", written.file)}`,
  ].join("\n");
}

function quality({ trained, baseline, labels }: Outcome, requestedFolds: number): string[] {
  const { metrics, confidence, folds, strength, unknown } = trained;
  if (!metrics || !confidence) {
    return ["a class has one image only, so no image could be held out: the head's accuracy is unknown"];
  }
  const fewer = folds < requestedFolds ? " (the smallest class has no more images)" : "";
  const chance = numberText(Math.log(labels.length));
  return [
    `${folds} folds${fewer}; each image was held out once: scored by a head that was not trained on it`,
    "",
    confusionText(
      labels.map(({ label }) => label),
      metrics,
    ),
    "",
    `accuracy       ${accuracyText(metrics)}`,
    ...(baseline ? [`colours alone  ${accuracyText(baseline)}`] : []),
    `log-loss       ${numberText(metrics.log_loss)} nats: -ln(probability of the right class), on average; 0 is perfect, equal guesses give ${chance}`,
    `calibration    error ${shareText(confidence.errorBefore)} before, ${shareText(confidence.error)} at temperature ${numberText(confidence.temperature)} (${shareText(confidence.chanceError)} is chance with as many images)`,
    `confident      ${confidentText(confidence.confident)}`,
    ...(strength === undefined ? [] : [`penalty        ${strength}, by the lowest held-out log-loss`]),
    ...(unknown ? [`unknown        ${unknownText(unknown)}`] : []),
    "",
  ];
}

function unknownText({ threshold, ...measured }: NonNullable<Trained["unknown"]>): string {
  const { own_called_unknown: own, foreign_called_unknown: foreign, auroc } = measured;
  const found =
    foreign === null || auroc === null
      ? ""
      : `, ${shareText(foreign)} of images of a class left out (AUROC ${numberText(auroc)}; 0.5 is chance, 1 perfect)`;
  return `cosine (likeness to the nearest class, at most 1) under ${numberText(threshold)} rejects ${shareText(own)} of your own images${found}`;
}

/** Formats the accuracy with its count and confidence interval. */
export function accuracyText({ accuracy, interval, correct, count }: Metrics): string {
  const [low, high] = interval;
  return `${shareText(accuracy)} (${correct} of ${count}; 95% interval ${shareText(low)} to ${shareText(high)})`;
}

/** Formats the confusion matrix as a table: true classes in rows, predicted classes in columns. */
export function confusionText(
  classes: readonly string[],
  { confusion, recall, precision }: Pick<Metrics, "confusion" | "recall" | "precision">,
): string {
  const names = classes.map((name) => shorten(name, 12));
  const head = ["true \\ predicted", ...names, "recall", "precision"];
  const rows = confusion.map((row, c) => [
    names[c]!,
    ...row.map((count) => (count === 0 ? "·" : String(count))),
    shareText(recall[c]!),
    precision[c] == null ? "–" : shareText(precision[c]),
  ]);
  return table([head, ...rows], [...head.keys()].slice(1));
}

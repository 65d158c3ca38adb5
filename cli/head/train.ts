/** Trains a head: folds, regression or class means, calibration, rejection threshold, metrics. Reports progress; no other I/O. */
import type { HeadFile } from "../../src/head/head.ts";
import type { Progress } from "../terminal/progress.ts";
import { crossValidatePrototypes, heldOut, stratifiedFolds } from "./cross-validate.ts";
import { type Linear, logisticSolver } from "./logistic.ts";
import { fitTemperature, type Metrics, metricsOf } from "./metrics.ts";
import { classMeans, defaultCosineTemperature, prototypes } from "./prototype.ts";
import { rowsOf, type Sample } from "./rows.ts";
import type { HeadParameters } from "./write-head.ts";

/** Penalty strength when there are too few images to choose it by cross-validation. */
const defaultStrength = 0.1;

/** A learned threshold to reject images of unknown classes, and how often it rejects. */
export interface UnknownRule {
  /** Images whose cosine to the nearest class mean is lower are rejected. */
  readonly threshold: number;
  /** Share of held-out images of the known classes that are called unknown. */
  readonly own_called_unknown: number;
  /** Share of images called unknown when their own class is left out of the means; null with two classes. */
  readonly foreign_called_unknown: number | null;
}

/** How to train. */
export interface TrainOptions {
  readonly method: HeadFile["method"];
  readonly classCount: number;
  readonly folds: number;
  readonly seed: number;
  /** Share of your own images that may be called unknown; undefined: do not learn to reject images. */
  readonly unknownRate: number | undefined;
}

/** A trained head and how good it is. */
export interface Trained extends HeadParameters {
  /** Strength of the L2 penalty; undefined for prototypes. */
  readonly strength: number | undefined;
  /** 0 when there were too few images for cross-validation. */
  readonly folds: number;
  /** Metrics of held-out images, at the temperature; undefined without folds. */
  readonly metrics: Metrics | undefined;
  /** The same before calibration. */
  readonly uncalibrated: Metrics | undefined;
  readonly unknown: (UnknownRule & { readonly centroids: Float64Array }) | undefined;
}

/** Trains on all samples; cross-validation provides the penalty, the temperature and the metrics. */
export function trainHead(
  samples: readonly Sample[],
  { method, classCount, folds, seed, unknownRate }: TrainOptions,
  progress: Progress,
): Trained {
  const classes = samples.map(({ classIndex }) => classIndex);
  // Every class must be in every fold.
  const foldCount = Math.min(folds, smallestClass(classes));
  const foldOf = foldCount < 2 ? undefined : stratifiedFolds(classes, foldCount, seed);
  const held = foldOf && heldOut(method, samples, classCount, foldOf, progress);
  const strength = method === "logistic" ? (held?.strength ?? defaultStrength) : undefined;
  const temperature = held ? fitTemperature(held) : method === "logistic" ? 1 : defaultCosineTemperature;
  const { weights, bias }: Linear =
    strength === undefined
      ? prototypes(samples, classCount)
      : logisticSolver(rowsOf(samples), classCount)(strength);
  const rule =
    unknownRate === undefined || !foldOf ? undefined : learnUnknown(samples, classCount, foldOf, unknownRate);
  return {
    weights,
    bias,
    normalize: method === "logistic" ? "none" : "l2",
    temperature,
    strength,
    folds: foldOf ? foldCount : 0,
    metrics: held && metricsOf(held, classCount, temperature),
    uncalibrated: held && metricsOf(held, classCount, 1),
    unknown: rule && { ...rule, centroids: classMeans(samples, classCount) },
  };
}

/**
 * Learns the threshold from the cosines of held-out images to the class means of the other folds.
 * @param rate share of your own images that may be called unknown
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

/** Number of images of the smallest class. `classes` has the class index of each image. */
export function smallestClass(classes: readonly number[]): number {
  return Math.min(...[...Map.groupBy(classes, (c) => c).values()].map(({ length }) => length));
}

/** Trains a head: folds, regression or class means, calibration, rejection threshold, metrics. No I/O but progress. */
import type { HeadFile } from "../../src/head/head.ts";
import type { Progress } from "../terminal/progress.ts";
import {
  crossValidateLogistic,
  crossValidatePrototypes,
  type HeldOut,
  stratifiedFolds,
} from "./cross-validate.ts";
import { type Linear, logisticSolver } from "./logistic.ts";
import { type Metrics, metricsOf } from "./metrics.ts";
import { classMeans, defaultCosineTemperature, prototypes } from "./prototype.ts";
import { rowsOf, type Sample } from "./rows.ts";
import { fitTemperature } from "./temperature.ts";
import { learnUnknown, type UnknownRule } from "./unknown.ts";

/** Penalty strength when there are too few images to choose it by cross-validation. */
const defaultStrength = 0.1;

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
export interface Trained extends Linear {
  readonly normalize: HeadFile["normalize"];
  readonly temperature: number;
  /** Of the L2 penalty; undefined for prototypes. */
  readonly strength: number | undefined;
  /** 0 when there were too few images for cross-validation. */
  readonly folds: number;
  /** Of held-out images, at the temperature; undefined without folds. */
  readonly metrics: Metrics | undefined;
  /** The same before calibration. */
  readonly uncalibrated: Metrics | undefined;
  readonly unknown: (UnknownRule & { readonly centroids: Float64Array }) | undefined;
}

/** Trains on all samples; cross-validation provides the penalty, the temperature and the metrics. */
export function trainHead(samples: readonly Sample[], options: TrainOptions, progress: Progress): Trained {
  const { method, classCount, unknownRate } = options;
  const foldOf = foldsOf(samples, options);
  const held = foldOf && crossValidate(samples, foldOf, options, progress);
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
    folds: foldOf ? new Set(foldOf).size : 0,
    metrics: held && metricsOf(held, classCount, temperature),
    uncalibrated: held && metricsOf(held, classCount, 1),
    unknown: rule && { ...rule, centroids: classMeans(samples, classCount) },
  };
}

/** Cross-validated metrics of a regression on other features of the same images. Undefined without folds. */
export function baselineMetrics(
  samples: readonly Sample[],
  options: TrainOptions,
  progress: Progress,
): Metrics | undefined {
  const foldOf = foldsOf(samples, options);
  if (!foldOf) return undefined;
  const held = crossValidate(samples, foldOf, { ...options, method: "logistic" }, progress);
  return metricsOf(held, options.classCount, fitTemperature(held));
}

/** Number of images of the smallest class. `classes` has the class index of each image. */
export function smallestClass(classes: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const c of classes) counts.set(c, (counts.get(c) ?? 0) + 1);
  return Math.min(...counts.values());
}

/** Every class must be in every fold. Undefined when a class has one image only. */
function foldsOf(samples: readonly Sample[], { folds, seed }: TrainOptions): number[] | undefined {
  const classes = samples.map(({ classIndex }) => classIndex);
  const count = Math.min(folds, smallestClass(classes));
  return count < 2 ? undefined : stratifiedFolds(classes, count, seed);
}

function crossValidate(
  samples: readonly Sample[],
  foldOf: readonly number[],
  { method, classCount }: TrainOptions,
  progress: Progress,
): HeldOut {
  if (method === "prototype") return crossValidatePrototypes(samples, classCount, foldOf);
  const onStrength = progress.update.bind(progress, "cross-validation");
  return crossValidateLogistic(samples, classCount, foldOf, onStrength);
}

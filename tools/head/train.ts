/** Training a head: folds, regression or class means, calibration, threshold, metrics. No I/O but progress. */
import type { HeadFile } from "../../src/head/head.ts";
import type { Progress } from "../terminal/progress.ts";
import { crossValidateLogistic, crossValidatePrototypes, type HeldOut } from "./cross-validate.ts";
import { smallestClass, stratifiedFolds } from "./folds.ts";
import { type Linear, LogisticProblem } from "./logistic.ts";
import { type Metrics, metricsOf } from "./metrics.ts";
import { classMeans, defaultCosineTemperature, prototypes } from "./prototype.ts";
import { rowsOf, type Sample } from "./rows.ts";
import { fitTemperature } from "./temperature.ts";
import { learnUnknown, type UnknownRule } from "./unknown.ts";

/** Strength of the penalty where there are too few images to choose it by folds. */
const defaultStrength = 0.1;

export interface TrainOptions {
  readonly method: HeadFile["method"];
  readonly classCount: number;
  readonly folds: number;
  readonly seed: number;
  /** Share of one's own images that may be called unknown; undefined: no rule. */
  readonly unknownRate: number | undefined;
}

export interface Trained extends Linear {
  readonly normalize: HeadFile["normalize"];
  readonly temperature: number;
  /** Of the L2 penalty. */
  readonly strength: number | undefined;
  /** 0: too few images for folds, and so nothing is known of how good it is. */
  readonly folds: number;
  /** Of held-out images, at the temperature; undefined without folds. */
  readonly metrics: Metrics | undefined;
  /** The same before calibration. */
  readonly uncalibrated: Metrics | undefined;
  readonly unknown: (UnknownRule & { readonly centroids: Float64Array }) | undefined;
}

export function trainHead(samples: readonly Sample[], options: TrainOptions, progress: Progress): Trained {
  const { method, classCount, unknownRate } = options;
  const foldOf = foldsOf(samples, options);
  const held = foldOf && crossValidate(samples, foldOf, options, progress);
  const strength = method === "logistic" ? (held?.strength ?? defaultStrength) : undefined;
  const temperature = held ? fitTemperature(held) : method === "logistic" ? 1 : defaultCosineTemperature;
  const fit =
    strength === undefined ? prototypes(samples, classCount) : regress(samples, classCount, strength);
  const rule =
    unknownRate === undefined || !foldOf ? undefined : learnUnknown(samples, classCount, foldOf, unknownRate);
  return {
    weights: fit.weights,
    bias: fit.bias,
    normalize: method === "logistic" ? "none" : "l2",
    temperature,
    strength,
    folds: foldOf ? new Set(foldOf).size : 0,
    metrics: held && metricsOf(held, classCount, temperature),
    uncalibrated: held && metricsOf(held, classCount, 1),
    unknown: rule && { ...rule, centroids: classMeans(samples, classCount) },
  };
}

/** Metrics of the same regression on other features of the same images, by the same folds. Undefined without folds. */
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

/** Each class must be in every fold. Undefined where a class has one image only. */
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
  const onStrength = (done: number, total: number) => progress.update("cross-validation", done, total);
  return crossValidateLogistic(samples, classCount, foldOf, onStrength);
}

function regress(samples: readonly Sample[], classCount: number, strength: number): Linear {
  return new LogisticProblem(rowsOf(samples), classCount).solve(strength);
}

/** Trains a head: folds, regression or class means, calibration, rejection threshold, metrics. Reports progress; no other I/O. */
import type { HeadFile } from "../../src/head/head.ts";
import { areaUnderCurve, quantile } from "../pack/confidence.ts";
import { type Confidence, type Labelled, measureConfidence } from "../pack/measure-scores.ts";
import type { Progress } from "../terminal/progress.ts";
import { crossValidatePrototypes, type HeldOut, heldOut, stratifiedFolds } from "./cross-validate.ts";
import { type Linear, logisticSolver } from "./logistic.ts";
import { type Metrics, metricsOf } from "./metrics.ts";
import { classMeans, defaultCosineTemperature, prototypes } from "./prototype.ts";
import { plainView, resemblances, rowsOf, type Sample } from "./rows.ts";
import type { HeadParameters, UnknownParameters } from "./write-head.ts";

/** Penalty strength when there are too few images to choose it by cross-validation. */
const defaultStrength = 0.1;
/** Share of confident answers that should be right. */
const targetPrecision = 0.8;

/** A learned threshold to reject images of unknown classes, and how often it rejects. */
export interface UnknownRule {
  /** Images whose cosine to the nearest class mean is lower are rejected. */
  readonly threshold: number;
  /** Share of held-out images of the known classes that are called unknown. */
  readonly own_called_unknown: number;
  /** Share of images called unknown when their own class is left out; null with two classes. */
  readonly foreign_called_unknown: number | null;
  /** How often an image of a known class has a higher cosine than one of a class left out; null with two classes. */
  readonly auroc: number | null;
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
  /** How far the probabilities of held-out images can be trusted; undefined without folds. */
  readonly confidence: Confidence | undefined;
  readonly unknown: (UnknownRule & UnknownParameters) | undefined;
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
  const confidence = held && measureConfidence(asFloat32(held), targetPrecision);
  const temperature = confidence?.temperature ?? (method === "logistic" ? 1 : defaultCosineTemperature);
  const { weights, bias }: Linear =
    strength === undefined
      ? prototypes(samples, classCount)
      : logisticSolver(rowsOf(samples), classCount)(strength);
  return {
    weights,
    bias,
    normalize: method === "logistic" ? "none" : "l2",
    temperature,
    strength,
    folds: foldOf ? foldCount : 0,
    metrics: held && metricsOf(held, classCount, temperature),
    confidence,
    confident: confidence?.confident ?? null,
    unknown:
      unknownRate === undefined || !foldOf
        ? undefined
        : unknownOf(resemblances(samples), classCount, foldOf, unknownRate),
  };
}

function unknownOf(
  described: readonly Sample[],
  classCount: number,
  foldOf: readonly number[],
  rate: number,
): UnknownRule & UnknownParameters {
  return {
    ...learnUnknown(described, classCount, foldOf, rate),
    centroids: classMeans(described, classCount),
    backboneClasses: plainView(described[0]!).length,
  };
}

/** The logits with the precision that the Worker computes them in. */
function asFloat32({ logits, classes }: HeldOut): Labelled {
  return { logits: logits.map((row) => Float32Array.from(row)), classes };
}

/**
 * Learns the threshold from the cosines of held-out images to the class means of the other folds. Measures it by leaving
 * out one class after the other: its images are foreign to the means, and to the threshold, of the rest.
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
  const threshold = quantile(own, rate);
  let foreignUnder = 0;
  let auroc = 0;
  for (let left = 0; left < classCount; left++) {
    const nearest = cosines.map((row) => Math.max(...row.filter((_, c) => c !== left)));
    const others = nearest.filter((_, i) => classes[i] !== left);
    const foreign = nearest.filter((_, i) => classes[i] === left);
    foreignUnder += countUnder(foreign, quantile(others, rate));
    auroc += (areaUnderCurve(others, foreign) * foreign.length) / samples.length;
  }
  const isMeasured = classCount > 2;
  return {
    threshold,
    own_called_unknown: countUnder(own, threshold) / own.length,
    foreign_called_unknown: isMeasured ? foreignUnder / samples.length : null,
    auroc: isMeasured ? auroc : null,
  };
}

function countUnder(values: readonly number[], threshold: number): number {
  return values.filter((value) => value < threshold).length;
}

/** Number of images of the smallest class. `classes` has the class index of each image. */
export function smallestClass(classes: readonly number[]): number {
  return Math.min(...[...Map.groupBy(classes, (c) => c).values()].map(({ length }) => length));
}

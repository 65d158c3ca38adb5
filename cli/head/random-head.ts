/** Heads with random weights, for tests and benchmarks: they cost what trained heads cost. */
import type { Backbone } from "../../src/head/live-heads.ts";
import type { Manifest } from "../../src/model/manifest.ts";
import { l2Normalised } from "../../src/model/scores.ts";
import { plainLabels } from "../pack/labels.ts";
import { Random } from "../pack/random.ts";
import { headFile, type UnknownParameters, type WrittenHead } from "./write-head.ts";

/** What a random head looks like. */
export interface RandomHeadOptions {
  readonly name: string;
  readonly backbone: Backbone;
  readonly seed: number;
  readonly classes?: number;
  readonly featureSize?: number;
  /** Without it the head cannot reject images. */
  readonly unknown?: Pick<UnknownParameters, "backboneClasses" | "threshold">;
  /** Probability from which an answer is confident; without it answers do not tell. */
  readonly confidentFrom?: number;
}

/** A head file, parsed and as bytes. */
export type RandomHead = WrittenHead;

/** Makes a head; the same for the same options. Each label names the head, its seed and the class. */
export function randomHead(options: RandomHeadOptions): Promise<RandomHead> {
  const { name, backbone, seed, classes = 3, featureSize = 512, unknown, confidentFrom } = options;
  const random = new Random(seed);
  const normals = (length: number) => Float64Array.from({ length }, () => random.normal());
  const unit = (length: number) => [...l2Normalised(normals(length))];
  const centroids = (size: number) =>
    Float64Array.from(Array.from({ length: classes }, () => unit(size)).flat());
  return headFile(
    {
      weights: normals(classes * featureSize),
      bias: normals(classes),
      normalize: "l2",
      temperature: 0.7,
      unknown: unknown && { ...unknown, centroids: centroids(unknown.backboneClasses) },
      confident:
        confidentFrom === undefined
          ? null
          : { threshold: confidentFrom, target: 0.8, precision: 0.8, coverage: 0.5, foreign: null },
    },
    plainLabels(Array.from({ length: classes }, (_, i) => `${name} ${seed} ${i}`)),
    {
      name,
      backbone: { name: backbone.name, version: backbone.version },
      method: "logistic",
      feature_size: featureSize,
      training: { seed },
    },
  );
}

/** Name of the head that the benchmark uses. */
export const benchHeadName = "bench";
/** Number of its classes. */
export const benchHeadClasses = 10;

/** Makes the benchmark's head for a pack. */
export function benchHead({ name, version, feature_size, classes }: Manifest): Promise<RandomHead> {
  return randomHead({
    name: benchHeadName,
    backbone: { name, version },
    seed: 1,
    unknown: { backboneClasses: classes, threshold: 0.5 },
    classes: benchHeadClasses,
    featureSize: feature_size,
  });
}

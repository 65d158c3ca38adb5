/** Heads with random weights, for tests and benchmarks: they cost what trained heads cost. */
import type { Backbone } from "../../src/head/live-heads.ts";
import type { Manifest } from "../../src/model/manifest.ts";
import { l2Normalised } from "../../src/model/scores.ts";
import { Random } from "../pack/random.ts";
import { headFile, type WrittenHead } from "./write-head.ts";

/** What a random head looks like. */
export interface RandomHeadOptions {
  readonly name: string;
  readonly backbone: Backbone;
  readonly seed: number;
  readonly classes?: number;
  readonly featureSize?: number;
  /** Cosine under which an image is unknown; without it the head cannot reject images. */
  readonly threshold?: number;
}

/** A head file, parsed and as bytes. */
export type RandomHead = WrittenHead;

/** Makes a head; the same for the same options. Each label names the head, its seed and the class. */
export function randomHead(options: RandomHeadOptions): Promise<RandomHead> {
  const { name, backbone, seed, classes = 3, featureSize = 512, threshold } = options;
  const random = new Random(seed);
  const normals = (length: number) => Float64Array.from({ length }, () => random.normal());
  const unit = () => [...l2Normalised(Float32Array.from(normals(featureSize)))];
  const centroids = () => Float64Array.from(Array.from({ length: classes }, unit).flat());
  return headFile(
    {
      weights: normals(classes * featureSize),
      bias: normals(classes),
      normalize: "l2",
      temperature: 0.7,
      unknown: threshold === undefined ? undefined : { centroids: centroids(), threshold },
    },
    Array.from({ length: classes }, (_, i) => `${name} ${seed} ${i}`),
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
export function benchHead({ name, version, feature_size }: Manifest): Promise<RandomHead> {
  return randomHead({
    name: benchHeadName,
    backbone: { name, version },
    seed: 1,
    threshold: 0.5,
    classes: benchHeadClasses,
    featureSize: feature_size,
  });
}

/** Heads with random weights, for tests and benchmarks: they cost what trained heads cost. */
import { type HeadFile, headVersion } from "../../src/head/head.ts";
import type { Backbone } from "../../src/head/live-heads.ts";
import type { Manifest } from "../../src/model/manifest.ts";
import { l2Normalised } from "../../src/model/scores.ts";
import { Random } from "../pack/random.ts";
import { float32Base64 } from "./write-head.ts";

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
export interface RandomHead {
  readonly file: HeadFile;
  readonly bytes: Uint8Array;
}

/** Makes a head; the same for the same options. Each label names the head, its seed and the class. */
export async function randomHead(options: RandomHeadOptions): Promise<RandomHead> {
  const { name, backbone, seed, classes = 3, featureSize = 512, threshold } = options;
  const random = new Random(seed);
  const rows = () =>
    Array.from({ length: classes }, () => Float32Array.from({ length: featureSize }, () => random.normal()));
  const matrix = (vectors: readonly Float32Array[]) => float32Base64(vectors.flatMap((row) => [...row]));
  const content = {
    format: 1 as const,
    name,
    version: "0".repeat(16),
    backbone: { name: backbone.name, version: backbone.version },
    method: "logistic" as const,
    labels: Array.from({ length: classes }, (_, i) => ({ id: `${i}`, label: `${name} ${seed} ${i}` })),
    feature_size: featureSize,
    normalize: "l2" as const,
    weights: matrix(rows()),
    bias: Array.from({ length: classes }, () => random.normal()),
    temperature: 0.7,
    unknown: threshold === undefined ? null : { centroids: matrix(rows().map(l2Normalised)), threshold },
    training: { seed },
  };
  const file = { ...content, version: await headVersion(content) };
  return { file, bytes: new TextEncoder().encode(JSON.stringify(file)) };
}

/** Name and number of classes of the head that the benchmark uses. */
export const benchHeadName = "bench";
export const benchHeadClasses = 10;

/** The benchmark's head for a pack. */
export function benchHead({ name, version, feature_size }: Manifest): Promise<RandomHead> {
  return randomHead({
    ...{ name: benchHeadName, backbone: { name, version }, seed: 1, threshold: 0.5 },
    ...{ classes: benchHeadClasses, featureSize: feature_size },
  });
}

/** Heads of random weights, the same for the same seed: they say nothing of an image, and cost what trained ones cost. */
import { bytesToBase64 } from "../../src/base64.ts";
import { type HeadFile, headVersion } from "../../src/head/head.ts";
import type { Backbone } from "../../src/head/live-heads.ts";
import type { Manifest } from "../../src/model/manifest.ts";
import { l2Normalised } from "../../src/model/scores.ts";
import { Random } from "../pack/random.ts";

export interface RandomHeadOptions {
  readonly name: string;
  readonly backbone: Backbone;
  readonly seed: number;
  readonly classes?: number;
  readonly featureSize?: number;
  /** Cosine under which an image is unknown; none: the head cannot tell. */
  readonly threshold?: number;
}

export interface RandomHead {
  readonly file: HeadFile;
  readonly bytes: Uint8Array;
}

/** Labels are the name, the seed and the class, so that an answer tells which head made it. */
export async function randomHead(options: RandomHeadOptions): Promise<RandomHead> {
  const { name, backbone, seed, classes = 3, featureSize = 512, threshold } = options;
  const random = new Random(seed);
  const rows = () =>
    Array.from({ length: classes }, () => Float32Array.from({ length: featureSize }, () => random.normal()));
  const matrix = (vectors: readonly Float32Array[]) =>
    bytesToBase64(new Uint8Array(Float32Array.from(vectors.flatMap((vector) => [...vector])).buffer));
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

/** Name and classes of the head that the bench asks for. */
export const benchHeadName = "bench";
export const benchHeadClasses = 10;

export function benchHead({ name, version, feature_size }: Manifest): Promise<RandomHead> {
  return randomHead({
    ...{ name: benchHeadName, backbone: { name, version }, seed: 1, threshold: 0.5 },
    ...{ classes: benchHeadClasses, featureSize: feature_size },
  });
}

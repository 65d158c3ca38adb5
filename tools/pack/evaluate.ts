/** How far a pack agrees with its float32 source, on images. */
import { softmax } from "../../src/model/scores.ts";
import type { Classifier } from "./classifiers.ts";
import { PackError } from "./errors.ts";
import type { ImageSet } from "./images.ts";

/** Shares are 0 to 1. Field names are those of the manifest's quantisation report. */
export interface Agreement {
  images: number;
  on: ImageSet["kind"];
  /** Share of images with the same first class. */
  top1: number;
  /** Share of images whose first class in float32 is among the pack's first five. */
  top5: number;
  /** Kullback-Leibler divergence of softmax(pack) from softmax(float32), in nats. */
  mean_kl: number;
  median_kl: number;
  max_kl: number;
  /** Of the raw logits. */
  mean_cosine: number;
  worst_cosine: number;
  /** The image of the worst cosine. */
  worst_image: string;
  /** Where the class of every image is known. */
  accuracy?: Accuracy;
}

export interface Accuracy {
  source_top1: number;
  pack_top1: number;
  /** Images that the float32 model gets right and the pack wrong. */
  lost: number;
  /** The other way round. */
  won: number;
}

export interface EvaluateOptions {
  /** Class of an image by its name. Null for an image means that its class is not known: PackError. */
  classOf?: ((name: string) => number | null) | undefined;
  onImage?: ((done: number, total: number) => void) | undefined;
}

export async function evaluate(
  source: Classifier,
  pack: Classifier,
  images: ImageSet,
  { classOf, onImage }: EvaluateOptions = {},
): Promise<Agreement> {
  const results: Comparison[] = [];
  for (let index = 0; index < images.count; index++) {
    const tensor = await images.tensor(index);
    const name = images.name(index);
    const [expected, actual] = [await source.logits(tensor), await pack.logits(tensor)];
    if (expected.length !== actual.length) {
      throw new PackError(
        `The source has ${expected.length} classes and the pack ${actual.length}; expected a pack of this very model.`,
      );
    }
    const comparison = compareLogits(expected, actual);
    results.push({ ...comparison, name, truth: classOf ? knownClass(classOf, name) : null });
    onImage?.(index + 1, images.count);
  }
  const worst = results.reduce((a, b) => (b.cosine < a.cosine ? b : a));
  const kls = results.map((result) => result.kl).sort((a, b) => a - b);
  const share = (test: (result: Comparison) => boolean) => results.filter(test).length / results.length;
  const agreement: Agreement = {
    images: results.length,
    on: images.kind,
    top1: share((r) => r.sourceClass === r.packClass),
    top5: share((r) => r.amongFive),
    mean_kl: mean(kls),
    median_kl: kls[kls.length >> 1]!,
    max_kl: kls.at(-1)!,
    mean_cosine: mean(results.map((r) => r.cosine)),
    worst_cosine: worst.cosine,
    worst_image: worst.name,
  };
  if (!classOf) return agreement;
  return {
    ...agreement,
    accuracy: {
      source_top1: share((r) => r.sourceClass === r.truth),
      pack_top1: share((r) => r.packClass === r.truth),
      lost: results.filter((r) => r.sourceClass === r.truth && r.packClass !== r.truth).length,
      won: results.filter((r) => r.sourceClass !== r.truth && r.packClass === r.truth).length,
    },
  };
}

/** A cosine and a divergence of the raw logits of one image; `amongFive`: the first class is in the pack's first five. */
export interface LogitComparison {
  sourceClass: number;
  packClass: number;
  amongFive: boolean;
  kl: number;
  cosine: number;
}

interface Comparison extends LogitComparison {
  name: string;
  truth: number | null;
}

export function compareLogits(source: Float32Array, pack: Float32Array): LogitComparison {
  const sourceClass = largest(source);
  const [p, q] = [softmax(source), softmax(pack)];
  let [kl, dot, sourceSquares, packSquares] = [0, 0, 0, 0];
  for (let i = 0; i < source.length; i++) {
    // A probability of zero adds nothing; one that underflowed in the pack is taken as the smallest number.
    if (p[i]! > 0) kl += p[i]! * (Math.log(p[i]!) - Math.log(Math.max(q[i]!, Number.MIN_VALUE)));
    dot += source[i]! * pack[i]!;
    sourceSquares += source[i]! ** 2;
    packSquares += pack[i]! ** 2;
  }
  const better = pack.filter((value) => value > pack[sourceClass]!).length;
  return {
    sourceClass,
    packClass: largest(pack),
    amongFive: better < 5,
    kl: Math.max(0, kl),
    cosine: dot / Math.sqrt(sourceSquares * packSquares),
  };
}

function knownClass(classOf: (name: string) => number | null, name: string): number {
  const index = classOf(name);
  if (index !== null) return index;
  throw new PackError(
    `The name ${name} tells no class; expected a label, a hyphen or underscore, and more, as in truck-0517.jpg.`,
  );
}

/** Index of the largest value. */
function largest(values: Float32Array): number {
  let index = 0;
  values.forEach((value, i) => {
    if (value > values[index]!) index = i;
  });
  return index;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Training data: images as features, and features as weighted rows. */
import { resemblance } from "../../src/head/head.ts";
import type { LabelledImage } from "./dataset.ts";

/** Features with a class and a weight per row. */
export interface Rows {
  /** [count, size], row-major. */
  readonly features: Float64Array;
  /** Class index of each row. */
  readonly classes: readonly number[];
  /** Weight of each row. The weights of one image's views add up to 1. */
  readonly weights: readonly number[];
  readonly size: number;
}

/** One image and its features. */
export interface Sample extends LabelledImage {
  /** [feature_size] each: first the plain image as the Worker sees it, then its augmentations. */
  readonly views: readonly Float32Array[];
  /** [backbone_classes] each: the backbone's logits of the same views. */
  readonly logits: readonly Float32Array[];
}

/** Makes one row per view; an image's weight is divided equally among its views. */
export function rowsOf(samples: readonly Sample[]): Rows {
  const rows = samples.flatMap(({ views, classIndex }) =>
    views.map((view) => ({ view, classIndex, weight: 1 / views.length })),
  );
  const size = rows[0]?.view.length ?? 0;
  const features = new Float64Array(rows.length * size);
  for (const [i, { view }] of rows.entries()) features.set(view, i * size);
  const classes = rows.map(({ classIndex }) => classIndex);
  return { features, classes, weights: rows.map(({ weight }) => weight), size };
}

/** The same images, described by resemblance in place of features. */
export function resemblances(samples: readonly Sample[]): Sample[] {
  return samples.map((sample) => ({ ...sample, views: sample.logits.map(resemblance) }));
}

/** Returns the features of the plain image. */
export function plainView({ file, views: [plain] }: Sample): Float32Array {
  if (!plain) throw new Error(`${file} has no features; expected at least the plain view`);
  return plain;
}

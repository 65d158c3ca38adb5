/** Training rows: features with a class and a weight each. */

export interface Rows {
  /** [count, size], row-major. */
  readonly features: Float64Array;
  /** Class index of each row. */
  readonly classes: readonly number[];
  /** Weight of each row; those of one image add up to 1, however many views it has. */
  readonly weights: readonly number[];
  readonly size: number;
}

/** One image as the backbone sees it. */
export interface Sample {
  /** Path of the file, for messages. */
  readonly file: string;
  readonly sha256: string;
  readonly classIndex: number;
  /** [feature_size] each; the first is of the plain image, as the Worker sees it, the others are augmentations. */
  readonly views: readonly Float32Array[];
}

/** Every view of every sample, with the weight of an image shared out among its views. */
export function rowsOf(samples: readonly Sample[]): Rows {
  const size = samples[0]?.views[0]?.length ?? 0;
  const count = samples.reduce((sum, { views }) => sum + views.length, 0);
  const features = new Float64Array(count * size);
  const classes: number[] = [];
  const weights: number[] = [];
  for (const { views, classIndex } of samples) {
    for (const view of views) {
      features.set(view, classes.length * size);
      classes.push(classIndex);
      weights.push(1 / views.length);
    }
  }
  return { features, classes, weights, size };
}

/** The plain image of a sample. */
export function plainView({ file, views: [plain] }: Sample): Float32Array {
  if (!plain) throw new Error(`${file} has no features`);
  return plain;
}

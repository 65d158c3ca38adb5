/** How much a run measures. */

/** The extent of a run. */
export interface Plan {
  readonly mode: "full" | "quick";
  /** Fresh processes of each subject. */
  readonly rounds: number;
  /** Requests with the smallest picture. Larger pictures get fewer. */
  readonly requests: number;
  readonly requestsOfLarge: number;
  /** Forward passes on a ready tensor. */
  readonly runs: number;
  /** Decodes of each photo in each round. */
  readonly decodes: number;
  readonly decodePhotos: readonly PictureName[];
  /** Heights (and widths) of the model's input. */
  readonly inputSizes: readonly number[];
  readonly megapixels: readonly number[];
  /** The largest image that jpeg-js decodes for comparison: it needs 170 ms and 8 MB per megapixel. */
  readonly jpegJsMaxMegapixels: number;
  readonly concurrency: readonly number[];
  /** Batches at each concurrency, image size and input size. */
  readonly growthRepeats: number;
}

/** The pictures that every subject receives. */
export const pictureSpecs = {
  "500x375": { megapixels: undefined, progressive: false },
  "4mp": { megapixels: 4, progressive: false },
  "12mp": { megapixels: 12, progressive: false },
  "24mp": { megapixels: 24, progressive: false },
  "12mp-progressive": { megapixels: 12, progressive: true },
} as const;
/** Name of a picture. */
export type PictureName = keyof typeof pictureSpecs;
/** All names of pictures. */
export const pictureNames = Object.keys(pictureSpecs) as PictureName[];

/** The plan of `npm run bench`: about a quarter of an hour. */
export const fullPlan: Plan = {
  mode: "full",
  rounds: 5,
  requests: 20,
  requestsOfLarge: 5,
  runs: 20,
  decodes: 3,
  decodePhotos: pictureNames,
  inputSizes: [64, 96, 128, 160, 192, 224, 256, 288, 320],
  megapixels: [0.1, 0.3, 1, 3, 6, 12, 24, 36, 50],
  jpegJsMaxMegapixels: 24,
  concurrency: [1, 2, 4, 8, 16, 32],
  growthRepeats: 5,
};

/** The plan of `--quick`: about three minutes. */
export const quickPlan: Plan = {
  mode: "quick",
  rounds: 2,
  requests: 6,
  requestsOfLarge: 2,
  runs: 8,
  decodes: 1,
  decodePhotos: ["500x375", "12mp", "12mp-progressive"],
  inputSizes: [64, 224],
  megapixels: [0.1, 12, 50],
  jpegJsMaxMegapixels: 12,
  concurrency: [1, 8, 32],
  growthRepeats: 1,
};

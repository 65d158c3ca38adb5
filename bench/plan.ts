/** How much a run measures. */
import { fourToThree } from "./pictures/photos.ts";

/** The pictures that every subject receives. */
export const pictureSpecs = {
  "500x375": { width: 500, height: 375, progressive: false },
  "4mp": { ...fourToThree(4), progressive: false },
  "12mp": { ...fourToThree(12), progressive: false },
  "24mp": { ...fourToThree(24), progressive: false },
  "12mp-progressive": { ...fourToThree(12), progressive: true },
} as const;
/** Name of a picture. */
export type PictureName = keyof typeof pictureSpecs;
/** All names of pictures. */
export const pictureNames = Object.keys(pictureSpecs) as PictureName[];

/** The plan of `npm run bench`: about a quarter of an hour. */
export const fullPlan = {
  mode: "full" as "full" | "quick",
  /** Fresh processes of each subject. */
  rounds: 5,
  /** Requests with the smallest picture, and with each larger one. */
  requests: 20,
  requestsOfLarge: 5,
  /** Forward passes on a prepared tensor. */
  runs: 20,
  /** Decodes of each photo in each round. */
  decodes: 3,
  decodePhotos: pictureNames,
  /** Heights (and widths) of the model's input. */
  inputSizes: [64, 96, 128, 160, 192, 224, 256, 288, 320],
  megapixels: [0.1, 0.3, 1, 3, 6, 12, 24, 36, 50],
  /** The largest image that jpeg-js decodes for comparison: it needs 170 ms and 8 MB per megapixel. */
  jpegJsMaxMegapixels: 24,
  concurrency: [1, 2, 4, 8, 16, 32],
  /** Batches at each concurrency, image size and input size. */
  growthRepeats: 5,
  /** Networks, besides ResNet34, of which the outputs of both engines are compared. */
  engineNetworks: ["resnet18", "resnet50"] as readonly ("resnet18" | "resnet50")[],
};

/** The extent of a run. */
export type Plan = Readonly<typeof fullPlan>;

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
  engineNetworks: [],
};

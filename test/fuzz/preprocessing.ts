/** The input of the embedded model's size class: small, so that a run spends its time on decoding. */
import type { Preprocessing } from "../../src/model/manifest.ts";

export const fuzzPreprocessing: Preprocessing = {
  resize: "shortest-edge",
  interpolation: "bilinear",
  color: "RGB",
  size: 73,
  crop: 64,
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
};

import type { Preprocessing } from "../../src/model/manifest.ts";

/** ImageNet's normalisation, without a border to crop. */
export function preprocessingOf(size: number): Preprocessing {
  return {
    resize: "shortest-edge",
    size,
    crop: size,
    interpolation: "bilinear",
    color: "RGB",
    mean: [0.485, 0.456, 0.406],
    std: [0.229, 0.224, 0.225],
  };
}

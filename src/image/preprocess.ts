/** JPEG bytes or pixels to the model's input tensor, as the pack's manifest describes it. Pure. */
import type { Preprocessing } from "../model/manifest.ts";
import { type DecodeLimits, decodeJpeg } from "./decode.ts";
import { resizeAndCropRows } from "./resize.ts";
import type { RgbImage } from "./rgb-image.ts";
import { normalisationTable, tensorOf, writeTensorRow } from "./tensor.ts";

/** Resize, centre crop and normalise in one pass: [3, crop, crop], float32. `out`, if given, has just that length. */
export function preprocess(image: RgbImage, preprocessing: Preprocessing, out?: Float32Array): Float32Array {
  const { crop } = preprocessing;
  const tensor = tensorOf(crop, crop, out);
  const table = normalisationTable(preprocessing);
  resizeAndCropRows(image, preprocessing, (y, row) => {
    writeTensorRow(row, crop, table, tensor, y * crop, crop * crop);
  });
  return tensor;
}

export interface ImageTensor {
  /** [3, crop, crop], float32. */
  readonly tensor: Float32Array;
  /** Pixels of the image as it came. */
  readonly width: number;
  readonly height: number;
}

/** From JPEG bytes to tensor. Throws what decodeJpeg throws. */
export function imageToTensor(
  bytes: Uint8Array,
  preprocessing: Preprocessing,
  limits: DecodeLimits,
  out?: Float32Array,
): ImageTensor {
  const image = decodeJpeg(bytes, limits);
  return { tensor: preprocess(image, preprocessing, out), width: image.width, height: image.height };
}

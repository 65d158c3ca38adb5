/** The geometry of preprocessing: how an image is resized and which square of it is kept. Pure. */
import type { Preprocessing } from "../model/manifest.ts";
import { type Axis, type RowWriter, resample } from "./resample.ts";
import type { RgbImage } from "./rgb-image.ts";

/** Size in pixels of the resized image, before the crop. */
export function resizedSize(
  width: number,
  height: number,
  { resize, size }: Preprocessing,
): { width: number; height: number } {
  if (resize === "stretch") return { width: size, height: size };
  return width <= height
    ? { width: size, height: roundHalfToEven((size * height) / width) }
    : { width: roundHalfToEven((size * width) / height), height: size };
}

/** As Python's round, which the reference uses: 256.5 becomes 256, where Math.round says 257. */
function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  return value - floor === 0.5 ? floor + (floor % 2) : Math.round(value);
}

/** Resizes and keeps the centre square, row by row; each row has `crop` pixels, and there are `crop` of them. */
export function resizeAndCropRows(image: RgbImage, preprocessing: Preprocessing, writeRow: RowWriter): void {
  const resized = resizedSize(image.width, image.height, preprocessing);
  resample(
    image,
    cropAxis(image.width, resized.width, preprocessing.crop),
    cropAxis(image.height, resized.height, preprocessing.crop),
    writeRow,
  );
}

/** As resizeAndCropRows, into an image of crop x crop pixels; for tools and tests. */
export function resizeAndCrop(image: RgbImage, preprocessing: Preprocessing): RgbImage {
  const { crop } = preprocessing;
  const data = new Uint8Array(crop * crop * 3);
  resizeAndCropRows(image, preprocessing, (y, row) => data.set(row, y * crop * 3));
  return { width: crop, height: crop, data };
}

/** The crop starts at floor(resized / 2) - floor(crop / 2), as imagenet_preprocess.py of the model zoo has it. */
function cropAxis(sourceLength: number, resizedLength: number, crop: number): Axis {
  const from = Math.floor(resizedLength / 2) - Math.floor(crop / 2);
  return { sourceLength, resizedLength, from, length: crop };
}

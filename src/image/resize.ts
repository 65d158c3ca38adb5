/** The geometry of preprocessing: how an image is resized and which square of it is kept. Pure. */
import type { Preprocessing } from "../model/manifest.ts";
import type { Orientation } from "./exif.ts";
import { turnedRow, turnOf } from "./orientation.ts";
import { type Axis, type RowWriter, resample } from "./resample.ts";
import { type Eighths, type RgbImage, type RgbRows, rowsOf, type Size } from "./rgb-image.ts";

/** Size in pixels of the resized image, before the crop. */
export function resizedSize({ width, height }: Size, { resize, size }: Preprocessing): Size {
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

/** What an image is of: by default of itself, upright. */
export interface View {
  /** Size of the whole image, of which `eighths` were decoded; its last row and column may stand for a part of one. */
  readonly fullSize: Size;
  readonly eighths: Eighths;
  readonly orientation: Orientation;
}

/** The image by itself: not scaled down by its decoder, and upright. */
export function plainView({ width, height }: Size): View {
  return { fullSize: { width, height }, eighths: 8, orientation: 1 };
}

/**
 * Resizes and keeps the centre square, row by row; each row has `crop` pixels, and there are `crop` of them. The square
 * is the one that is central when the image is upright; its pixels come as they stand in the image.
 */
export function resizeAndCropRows(
  image: RgbRows,
  preprocessing: Preprocessing,
  view: View,
  writeRow: RowWriter,
): void {
  const { fullSize, eighths } = view;
  const { mirrorX, mirrorY } = turnOf(view.orientation);
  const resized = resizedSize(fullSize, preprocessing);
  const axis = (side: "width" | "height", mirrored: boolean): Axis => ({
    sourceLength: image[side],
    extent: (fullSize[side] * eighths) / 8,
    resizedLength: resized[side],
    from: cropStart(resized[side], preprocessing.crop, mirrored),
    length: preprocessing.crop,
  });
  resample(image, axis("width", mirrorX), axis("height", mirrorY), writeRow);
}

/** Resizes, keeps the centre square and turns it upright: an image of crop x crop pixels; for tools and tests. */
export function resizeAndCrop(
  image: RgbImage,
  preprocessing: Preprocessing,
  view: View = plainView(image),
): RgbImage {
  const { crop } = preprocessing;
  const turn = turnOf(view.orientation);
  const data = new Uint8Array(crop * crop * 3);
  resizeAndCropRows(rowsOf(image), preprocessing, view, (y, row) => {
    const { start, step } = turnedRow(turn, crop, y);
    for (let x = 0; x < crop; x++) data.set(row.subarray(x * 3, x * 3 + 3), (start + x * step) * 3);
  });
  return { width: crop, height: crop, data };
}

/**
 * The crop starts at floor(resized / 2) - floor(crop / 2), as imagenet_preprocess.py of the model zoo has it. Mirrored,
 * it is counted from the other end.
 */
function cropStart(resizedLength: number, crop: number, mirrored: boolean): number {
  const start = Math.floor(resizedLength / 2) - Math.floor(crop / 2);
  return mirrored ? resizedLength - crop - start : start;
}

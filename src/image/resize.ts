/** The geometry of preprocessing: how an image is resized, and which square of it is kept. */
import type { Preprocessing } from "../model/manifest.ts";
import type { Orientation } from "./exif.ts";
import { type RowPlace, turnedRow, turns } from "./orientation.ts";
import { type Axis, resample } from "./resample.ts";
import { type Eighths, type RgbImage, type RgbRows, rowsOf, type Size } from "./rgb-image.ts";

/** Size in pixels of the resized image, before the crop. */
export function resizedSize({ width, height }: Size, { resize, size }: Preprocessing): Size {
  if (resize === "stretch") return { width: size, height: size };
  return width <= height
    ? { width: size, height: roundHalfToEven((size * height) / width) }
    : { width: roundHalfToEven((size * width) / height), height: size };
}

/** Rounds like Python, which the reference uses: 256.5 becomes 256, while Math.round returns 257. */
function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  return value - floor === 0.5 ? floor + (floor % 2) : Math.round(value);
}

/** What part of an image was decoded, and its orientation. */
export interface View {
  /** Size of the whole image, of which `eighths` were decoded. The last row and column can be a part of a pixel. */
  readonly fullSize: Size;
  readonly eighths: Eighths;
  readonly orientation: Orientation;
}

/** The view of an image that was decoded at full size and is upright. */
export function plainView({ width, height }: Size): View {
  return { fullSize: { width, height }, eighths: 8, orientation: 1 };
}

/**
 * Resizes an image and keeps the centre square of the upright image, row by row from the top of the file: `crop` rows of
 * `crop` pixels.
 * @param writeRow receives each row, RGB interleaved, and its place in the upright square; the array is reused
 */
export function resizeAndCropRows(
  image: RgbRows,
  preprocessing: Preprocessing,
  view: View,
  writeRow: (row: Uint8ClampedArray, place: RowPlace) => void,
): void {
  const { fullSize, eighths } = view;
  const { crop } = preprocessing;
  const turn = turns[view.orientation];
  const resized = resizedSize(fullSize, preprocessing);
  const axis = (side: "width" | "height", mirrored: boolean): Axis => ({
    sourceLength: image[side],
    extent: (fullSize[side] * eighths) / 8,
    resizedLength: resized[side],
    from: cropStart(resized[side], crop, mirrored),
    length: crop,
  });
  resample(image, axis("width", turn.mirrorX), axis("height", turn.mirrorY), (y, row) =>
    writeRow(row, turnedRow(turn, crop, y)),
  );
}

/** Resizes, keeps the centre square and turns it upright: an image of crop x crop pixels, for tools and tests. */
export function resizeAndCrop(
  image: RgbImage,
  preprocessing: Preprocessing,
  view: View = plainView(image),
): RgbImage {
  const { crop } = preprocessing;
  const data = new Uint8Array(crop * crop * 3);
  resizeAndCropRows(rowsOf(image), preprocessing, view, (row, { start, step }) => {
    for (let x = 0; x < crop; x++) data.set(row.subarray(x * 3, x * 3 + 3), (start + x * step) * 3);
  });
  return { width: crop, height: crop, data };
}

/**
 * The crop starts at floor(resized / 2) - floor(crop / 2), as in imagenet_preprocess.py of the model zoo. In a mirrored
 * image, it starts at this distance from the other end.
 */
function cropStart(resizedLength: number, crop: number, mirrored: boolean): number {
  const start = Math.floor(resizedLength / 2) - Math.floor(crop / 2);
  return mirrored ? resizedLength - crop - start : start;
}

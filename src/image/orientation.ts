/** Exif's orientation: reads it, and turns a small image by it. No image is ever turned at full size. */
/// <reference path="./exifreader.d.ts" />
import { loadView } from "exifreader/src/exif-reader.js";

/** The value of the Exif tag: 1 is upright. */
export type Orientation = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

/**
 * Returns the orientation in an Exif body: the TIFF structure after "Exif\0\0", at most 64 KiB, as in JpegHeader.exif.
 * Returns 1 if it is missing, broken or out of range, because a bad tag must not make the image unusable.
 */
export function exifOrientation(tiff: Uint8Array | undefined): Orientation {
  if (!tiff) return 1;
  try {
    const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.byteLength);
    // Reads only this tag, because a hostile file can make others cost megabytes and seconds.
    const tags = loadView(view, { includeTags: { exif: ["Orientation"] } });
    const value = tags.Orientation?.value;
    return isOrientation(value) ? value : 1;
  } catch {
    return 1;
  }
}

function isOrientation(value: unknown): value is Orientation {
  return typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= 8;
}

/** How pixels move: mirrors apply first, in the coordinates of the file; then rows and columns are swapped. */
export interface Turn {
  readonly mirrorX: boolean;
  readonly mirrorY: boolean;
  readonly swapAxes: boolean;
}

const turn = (mirrorX: boolean, mirrorY: boolean, swapAxes: boolean): Turn => ({
  mirrorX,
  mirrorY,
  swapAxes,
});

/** What turns the pixels of a file upright (Exif 2.32, tag 0x0112: the positions of row 0 and column 0). */
export const turns: Readonly<Record<Orientation, Turn>> = {
  1: turn(false, false, false),
  2: turn(true, false, false),
  3: turn(true, true, false),
  4: turn(false, true, false),
  5: turn(false, false, true),
  6: turn(false, true, true),
  7: turn(true, true, true),
  8: turn(true, false, true),
};

/** Size in pixels. rgb-image.ts has the same type, but imports this file. */
interface Size {
  readonly width: number;
  readonly height: number;
}

/** Where a row of pixels goes in an upright image: index of its first pixel, and the step from one pixel to the next. */
export interface RowPlace {
  readonly start: number;
  readonly step: number;
}

/** Returns where row `y` of an image goes when the image is turned. @param size of the image as in the file */
export function turnedRow(
  { mirrorX, mirrorY, swapAxes }: Turn,
  { width, height }: Size,
  y: number,
): RowPlace {
  const [alongX, alongY] = swapAxes ? [height, 1] : [1, width];
  const row = mirrorY ? height - 1 - y : y;
  return {
    start: row * alongY + (mirrorX ? (width - 1) * alongX : 0),
    step: mirrorX ? -alongX : alongX,
  };
}

/** Returns the size of an image as displayed. @param size as in the file */
export function uprightSize({ width, height }: Size, orientation: Orientation): Size {
  return turns[orientation].swapAxes ? { width: height, height: width } : { width, height };
}

/** The orientation that a camera recorded in a JPEG's Exif segment (Exif 2.32, tag 0x0112). Sole home of exifreader. Pure. */
/// <reference path="./exifreader.d.ts" />
import { loadView } from "exifreader/src/exif-reader.js";

/** 1 to 8, as the Exif tag counts: 1 is upright. */
export type Orientation = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

/**
 * Orientation of an Exif body: the TIFF structure behind "Exif\0\0", at most 64 KiB, as JpegHeader.exif holds it.
 * 1 where it is missing, broken or out of range: a bad tag never costs the image.
 */
export function exifOrientation(tiff: Uint8Array | undefined): Orientation {
  if (!tiff) return 1;
  try {
    const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.byteLength);
    // Only this tag: others may be made to cost megabytes and seconds.
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

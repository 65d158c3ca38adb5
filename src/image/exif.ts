/** The orientation in a JPEG's Exif segment (Exif 2.32, tag 0x0112). Only this file imports exifreader. */
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

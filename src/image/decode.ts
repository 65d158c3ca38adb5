/** From the bytes of a JPEG to rows of RGB pixels, at a scale that suits the target and fits the memory. */
import { ClassifierError } from "../errors.ts";
import { chooseScale, type DecodeScale } from "./choose-scale.ts";
import { exifOrientation, type Orientation } from "./exif.ts";
import { JpegRows } from "./jpeg-decoder.ts";
import { parseJpegHeader } from "./jpeg-header.ts";
import { checkJpeg } from "./jpeg-scans.ts";
import type { RgbRows, Size } from "./rgb-image.ts";

/** What decoding an image may cost. */
export interface DecodeLimits {
  /** width * height of the frame header. */
  readonly maxPixels: number;
  /** As decodeCostBytes counts. */
  readonly maxDecodeBytes: number;
}

/** What is known about an image before it is decoded. */
export interface DecodedFrame extends DecodeScale {
  /** Size in the frame header. */
  readonly fullSize: Size;
  readonly orientation: Orientation;
}

/**
 * Decodes a whole JPEG: baseline, extended or progressive, 8 bit, Huffman-coded; grey, YCbCr, RGB, CMYK or YCCK. Ignores
 * segments that do not belong to the image, except Exif's orientation, and everything after the EOI marker. A file without
 * that marker is refused. An image that is too large is refused before anything is allocated.
 * @param targetOf returns the size to which an image of this size will be resized: no more pixels than that are needed
 * @param use receives the rows, in the orientation of the file; they are freed when it returns
 * @returns what `use` returns
 * @throws ClassifierError unsupported_image, image_undecodable, image_too_large (pixels, decode_bytes, block_visits),
 *   empty_body; nothing else
 */
export function decodeJpeg<T>(
  bytes: Uint8Array,
  targetOf: (fullSize: Size) => Size,
  limits: DecodeLimits,
  use: (rows: RgbRows, frame: DecodedFrame) => T,
): T {
  const header = parseJpegHeader(bytes);
  const fullSize: Size = { width: header.width, height: header.height };
  const measured = header.width * header.height;
  if (measured > limits.maxPixels) {
    const limit = limits.maxPixels;
    throw new ClassifierError({ code: "image_too_large", unit: "pixels", measured, limit });
  }
  const jpeg = checkJpeg(bytes, header);
  const scale = chooseScale(jpeg, targetOf(fullSize), limits.maxDecodeBytes);
  const rows = new JpegRows(jpeg, scale.eighths);
  try {
    const result = use(rows, { ...scale, fullSize, orientation: exifOrientation(header.exif) });
    rows.finish();
    return result;
  } finally {
    rows.free();
  }
}

/** JPEG bytes to rows of RGB pixels, at the scale that suits their target and fits the memory. Pure. */
import { ClassifierError } from "../errors.ts";
import { chooseScale, type DecodeScale } from "./choose-scale.ts";
import { exifOrientation, type Orientation } from "./exif.ts";
import { JpegRows } from "./jpeg-decoder.ts";
import { parseJpegHeader } from "./jpeg-header.ts";
import { checkJpeg } from "./jpeg-scans.ts";
import type { RgbRows, Size } from "./rgb-image.ts";

/** What an image may cost. */
export interface DecodeLimits {
  /** width * height of the frame header. */
  readonly maxPixels: number;
  /** As decode-cost.ts counts. */
  readonly maxDecodeBytes: number;
}

/** What is known of an image before its pixels are. */
export interface DecodedFrame extends DecodeScale {
  /** Size that the frame header tells. */
  readonly fullSize: Size;
  readonly orientation: Orientation;
}

/**
 * Decodes a whole JPEG: baseline, extended or progressive, 8 bit, Huffman-coded; grey, YCbCr, RGB, CMYK or YCCK. Segments that do
 * not belong to the image are passed over, apart from Exif's orientation. A file must be complete up to its EOI marker; what
 * follows it is ignored.
 * @param targetOf the size to which an image of this size will be resized: no more pixels than that are needed
 * @param use takes the rows, as they stand in the file, not turned. They are freed when it returns
 * @returns what `use` returns
 * @throws ClassifierError unsupported_image, image_undecodable, image_too_large (pixels, decode_bytes, block_visits) or empty_body;
 * nothing else. What is too large is refused before anything is allocated
 */
export function decodeJpeg<T>(
  bytes: Uint8Array,
  targetOf: (fullSize: Size) => Size,
  limits: DecodeLimits,
  use: (rows: RgbRows, frame: DecodedFrame) => T,
): T {
  const header = parseJpegHeader(bytes);
  const { width, height } = header;
  const pixels = width * height;
  if (pixels > limits.maxPixels) {
    throw new ClassifierError({
      code: "image_too_large",
      unit: "pixels",
      measured: pixels,
      limit: limits.maxPixels,
    });
  }
  const fullSize = { width, height };
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

/** Runs the decoder alone at each scale, and jpeg-js for comparison. */
import { decode as decodeJpegJs } from "jpeg-js";
import { type DecodedFrame, type DecodeLimits, decodeJpeg, JpegRows } from "../../src/image/jpeg/decode.ts";
import { parseJpegHeader } from "../../src/image/jpeg/header.ts";
import { checkJpeg } from "../../src/image/jpeg/scans.ts";
import { collectRows, type Eighths, type RgbImage, type Size } from "../../src/image/rgb-image.ts";

/** Decodes the whole image at `eighths` of its size. */
export function decodeAt(bytes: Uint8Array, eighths: Eighths): RgbImage {
  const rows = new JpegRows(checkJpeg(bytes, parseJpegHeader(bytes)), eighths);
  try {
    const image = collectRows(rows);
    rows.finish();
    return image;
  } finally {
    rows.free();
  }
}

/** Decodes the whole image with jpeg-js at full size. */
export function jpegJs(bytes: Uint8Array): RgbImage {
  return decodeJpegJs(bytes, { useTArray: true, formatAsRGBA: false, tolerantDecoding: true });
}

/** Decodes like a request, at the scale for `target` pixels. Default: the size of the file. */
export function decodeWithin(
  bytes: Uint8Array,
  limits: DecodeLimits,
  target?: Size,
): DecodedFrame & { readonly image: RgbImage } {
  const targetOf = (fullSize: Size) => target ?? fullSize;
  return decodeJpeg(bytes, targetOf, limits, (rows, frame) => ({ ...frame, image: collectRows(rows) }));
}

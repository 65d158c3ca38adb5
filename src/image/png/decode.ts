/**
 * Decodes a PNG row by row: inflates a little, unfilters what came, and passes on each row that is complete. It holds two
 * rows and one block of inflated data, whatever the height of the image; an interlaced image it holds as a whole.
 */
import { exifOrientation } from "../orientation.ts";
import {
  checkLimit,
  type Decoded,
  type DecodedFrame,
  type DecodeLimits,
  type RowSink,
} from "../rgb-image.ts";
import { type CheckedPng, checkPng, imageDataOf, parsePngHeader } from "./chunks.ts";
import { inflate, inflateBytes } from "./inflate.ts";
import { imageDataBytes, PngRows, rowsBytes } from "./rows.ts";

/**
 * Inflated bytes of one image: 50 megapixels of RGBA with 8 bits. This bounds CPU, because a file of 200 kB can inflate to
 * as much, and each byte takes about 7 ns to inflate, to unfilter and to convert.
 */
export const maxInflatedBytes = 210_000_000;

/**
 * Decodes a whole PNG of any colour type and bit depth, interlaced or not. Transparency is composited over white. 16 bits
 * are reduced to the first 8. Gamma and colour profiles are ignored, as in Pillow. The file must be complete: rows that the
 * sink does not need are inflated too, and more data than the header announces is refused as soon as it comes.
 * @param sinkFor returns what takes the rows, in the orientation of the file
 * @param signal stops the decode while it waits for inflated data; `bytes` are not read afterwards
 * @throws ClassifierError unsupported_image, image_undecodable, image_too_large (pixels, inflated_bytes, decode_bytes); what
 *   `sinkFor` throws; the reason of `signal`
 */
export async function decodePng<Sink extends RowSink>(
  bytes: Uint8Array,
  limits: DecodeLimits,
  sinkFor: (frame: DecodedFrame) => Sink,
  signal?: AbortSignal,
): Promise<Decoded<Sink>> {
  const { png, frame } = planPng(bytes, limits);
  const sink = sinkFor(frame);
  const rows = new PngRows(png, sink);
  try {
    await inflate(imageDataOf(png), imageDataBytes(png.header), (block) => rows.take(block), signal);
    rows.finish();
    return { frame, sink };
  } finally {
    rows.free();
  }
}

/**
 * Checks the chunks, and computes what the decode needs. Allocates nothing large.
 * @throws ClassifierError unsupported_image, image_undecodable, image_too_large (pixels, inflated_bytes, decode_bytes)
 */
export function planPng(
  bytes: Uint8Array,
  limits: DecodeLimits,
): { readonly png: CheckedPng; readonly frame: DecodedFrame } {
  const header = parsePngHeader(bytes);
  const { width, height } = header;
  checkLimit("pixels", width * height, limits.maxPixels);
  const inflatedBytes = imageDataBytes(header);
  checkLimit("inflated_bytes", inflatedBytes, maxInflatedBytes);
  const png = checkPng(bytes, header);
  const costBytes = decodeCostBytes(png);
  checkLimit("decode_bytes", costBytes, limits.maxDecodeBytes);
  const size = { width, height };
  const orientation = exifOrientation(png.exif);
  return { png, frame: { decoder: "png", eighths: 8, costBytes, fullSize: size, size, orientation } };
}

/**
 * Bytes of all arrays that a decode allocates, computed before it allocates any. They grow with the width of the image, and
 * with its area only if it is interlaced.
 */
export function decodeCostBytes(png: CheckedPng): number {
  return rowsBytes(png) + inflateBytes(imageDataBytes(png.header));
}

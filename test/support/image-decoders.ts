/** Decodes without preprocessing: as a request does, or a JPEG at each scale, or with jpeg-js for comparison. */
import { decode as decodeJpegJs } from "jpeg-js";
import { decodeImage } from "../../src/image/decode.ts";
import { JpegRows } from "../../src/image/jpeg/decode.ts";
import { parseJpegHeader } from "../../src/image/jpeg/header.ts";
import { checkJpeg } from "../../src/image/jpeg/scans.ts";
import {
  type DecodedFrame,
  type DecodeLimits,
  type Eighths,
  pushRows,
  type RgbImage,
  RowCollector,
  type Size,
} from "../../src/image/rgb-image.ts";

/** Decodes a whole JPEG at `eighths` of its size. */
export function decodeAt(bytes: Uint8Array, eighths: Eighths): RgbImage {
  const rows = new JpegRows(checkJpeg(bytes, parseJpegHeader(bytes)), eighths);
  try {
    const sink = new RowCollector(rows);
    pushRows(rows, sink);
    rows.finish();
    return sink.image;
  } finally {
    rows.free();
  }
}

/** Decodes the whole image with jpeg-js at full size. */
export function jpegJs(bytes: Uint8Array): RgbImage {
  return decodeJpegJs(bytes, { useTArray: true, formatAsRGBA: false, tolerantDecoding: true });
}

/** Decodes like a request, at the scale for `target` pixels. Default: the size of the file. */
export async function decodeWithin(
  bytes: Uint8Array,
  limits: DecodeLimits,
  target?: Size,
): Promise<DecodedFrame & { readonly image: RgbImage }> {
  const targetOf = (fullSize: Size) => target ?? fullSize;
  const sinkFor = ({ size }: DecodedFrame) => new RowCollector(size);
  const { frame, sink } = await decodeImage(bytes, targetOf, limits, sinkFor);
  return { ...frame, image: sink.image };
}

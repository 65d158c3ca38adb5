/** Decodes an image of any format that the Worker reads. */
import { ClassifierError } from "../errors.ts";
import { decodedFormats, describeFormat } from "./detect.ts";
import { decodeGif, planGif } from "./gif/decode.ts";
import { decodeJpeg, planJpeg } from "./jpeg/decode.ts";
import { decodePng, planPng } from "./png/decode.ts";
import type { Decoded, DecodedFrame, DecodeLimits, RowSink, Size } from "./rgb-image.ts";
import { decodeWebp, planWebp } from "./webp/decode.ts";

/**
 * Detects the format by the bytes and decodes the whole image. An image that is too large is refused before anything is
 * allocated. Only one image may be decoded at a time: the memory budget has room for one.
 * @param targetOf returns the size to which an image of this size will be resized: no more pixels than that are needed
 * @param sinkFor returns what takes the rows, in the orientation of the file
 * @param signal stops a decode that waits for inflated data; `bytes` are not read afterwards
 * @throws ClassifierError unsupported_image, image_undecodable, image_too_large (pixels, decode_bytes, block_visits,
 *   inflated_bytes), empty_body; what `sinkFor` throws; the reason of `signal`
 */
export async function decodeImage<Sink extends RowSink>(
  bytes: Uint8Array,
  targetOf: (fullSize: Size) => Size,
  limits: DecodeLimits,
  sinkFor: (frame: DecodedFrame) => Sink,
  signal?: AbortSignal,
): Promise<Decoded<Sink>> {
  switch (formatOf(bytes)) {
    case "a JPEG image":
      return decodeJpeg(bytes, targetOf, limits, sinkFor);
    case "a PNG image":
      return decodePng(bytes, limits, sinkFor, signal);
    case "a WebP image":
      return decodeWebp(bytes, limits, sinkFor);
    case "a GIF image":
      return decodeGif(bytes, limits, sinkFor);
  }
}

/**
 * Reads what is known before the decode: size, orientation, the scale of a JPEG, and the bytes that the decode allocates at
 * most. Allocates nothing large.
 * @throws ClassifierError as decodeImage does
 */
export function planImage(
  bytes: Uint8Array,
  targetOf: (fullSize: Size) => Size,
  limits: DecodeLimits,
): DecodedFrame {
  switch (formatOf(bytes)) {
    case "a JPEG image":
      return planJpeg(bytes, targetOf, limits).frame;
    case "a PNG image":
      return planPng(bytes, limits).frame;
    case "a WebP image":
      return planWebp(bytes, limits).frame;
    case "a GIF image":
      return planGif(bytes, limits).frame;
  }
}

/**
 * Detects the format by the bytes.
 * @throws ClassifierError empty_body, unsupported_image
 */
function formatOf(bytes: Uint8Array): DecodedFormat {
  if (bytes.length === 0) throw new ClassifierError({ code: "empty_body" });
  const detected = describeFormat(bytes);
  if (isDecoded(detected)) return detected;
  throw new ClassifierError({ code: "unsupported_image", detected, expected: decodedFormats });
}

const formats = ["a JPEG image", "a PNG image", "a WebP image", "a GIF image"] as const;
type DecodedFormat = (typeof formats)[number];

function isDecoded(format: string): format is DecodedFormat {
  return (formats as readonly string[]).includes(format);
}

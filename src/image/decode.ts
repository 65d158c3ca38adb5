/** Decodes an image of any format that the Worker reads. */
import { ClassifierError } from "../errors.ts";
import { decodedFormats, describeFormat } from "./detect.ts";
import { decodeGif } from "./gif/decode.ts";
import { decodeJpeg } from "./jpeg/decode.ts";
import { decodePng } from "./png/decode.ts";
import type { Decoded, DecodedFrame, DecodeLimits, RowSink, Size } from "./rgb-image.ts";
import { decodeWebp } from "./webp/decode.ts";

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
  if (bytes.length === 0) throw new ClassifierError({ code: "empty_body" });
  const detected = describeFormat(bytes);
  switch (detected) {
    case "a JPEG image":
      return decodeJpeg(bytes, targetOf, limits, sinkFor);
    case "a PNG image":
      return decodePng(bytes, limits, sinkFor, signal);
    case "a WebP image":
      return decodeWebp(bytes, limits, sinkFor);
    case "a GIF image":
      return decodeGif(bytes, limits, sinkFor);
    default:
      throw new ClassifierError({ code: "unsupported_image", detected, expected: decodedFormats });
  }
}

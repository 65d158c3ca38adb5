/** JPEG bytes to RGB pixels, by whichever decoder fits the memory. Pure. */
import { ClassifierError } from "../errors.ts";
import { chooseDecoder, type DecoderChoice } from "./choose-decoder.ts";
import { decodeDcOnly } from "./dc-decoder.ts";
import { exifOrientation, type Orientation } from "./exif.ts";
import { parseJpegHeader } from "./jpeg-header.ts";
import { decodeWithJpegJs, jpegJsDecodes } from "./jpeg-js-decoder.ts";
import { type CheckedJpeg, checkJpeg } from "./jpeg-scans.ts";
import type { RgbImage, Size } from "./rgb-image.ts";
import type { ScaledDecoder } from "./scaled-decoder.ts";

export interface DecodeLimits {
  /** width * height of the frame header. */
  readonly maxPixels: number;
  /** As decode-cost.ts counts. */
  readonly maxDecodeBytes: number;
}

export interface DecodeOptions extends DecodeLimits {
  readonly scaled: ScaledDecoder;
}

export interface DecodedImage extends DecoderChoice {
  /** Pixels as they stand in the file, not turned, at `eighths` of its size. Use them at once: see ScaledDecoder. */
  readonly image: RgbImage;
  /** Size that the frame header tells. */
  readonly fullSize: Size;
  readonly orientation: Orientation;
}

/**
 * Decodes a whole JPEG: baseline, extended or progressive, 8 bit, Huffman-coded; grey, YCbCr, RGB, CMYK or YCCK. Other
 * segments than those of the image are passed over, Exif's orientation excepted. A file must be complete up to its EOI
 * marker; what follows it is ignored.
 * @param targetOf the size to which an image of this size will be resized: no more pixels than that are needed
 * Throws unsupported_image, image_undecodable, image_too_large (pixels, decode_bytes, block_visits) or empty_body; nothing else. What
 * is too large is refused before anything is allocated.
 */
export function decodeJpeg(
  bytes: Uint8Array,
  targetOf: (fullSize: Size) => Size,
  options: DecodeOptions,
): DecodedImage {
  const header = parseJpegHeader(bytes);
  const { width, height } = header;
  const pixels = width * height;
  if (pixels > options.maxPixels) {
    throw new ClassifierError({
      code: "image_too_large",
      unit: "pixels",
      measured: pixels,
      limit: options.maxPixels,
    });
  }
  const fullSize = { width, height };
  const needs = { header, compressedBytes: bytes.length, target: targetOf(fullSize) };
  let choice = chooseDecoder(needs, options.maxDecodeBytes);
  const jpeg = checkJpeg(bytes, header);
  if (choice.decoder === "jpeg-js" && !jpegJsDecodes(jpeg)) {
    choice = chooseDecoder({ ...needs, withoutJpegJs: true }, options.maxDecodeBytes);
  }
  const image = decodeWith(choice, jpeg, options.scaled);
  return { ...choice, image, fullSize, orientation: exifOrientation(header.exif) };
}

function decodeWith({ decoder, eighths }: DecoderChoice, jpeg: CheckedJpeg, scaled: ScaledDecoder): RgbImage {
  switch (decoder) {
    case "jpeg-js":
      return decodeWithJpegJs(jpeg);
    case "scaled":
      return scaled.decode(jpeg, eighths);
    case "dc-only":
      return decodeDcOnly(jpeg);
  }
}

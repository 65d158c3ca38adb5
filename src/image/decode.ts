/** JPEG bytes to RGB pixels. Pure. The sole home of jpeg-js. */
import { decode } from "jpeg-js";
import { ClassifierError } from "../errors.ts";
import { type JpegHeader, parseJpegHeader } from "./jpeg-header.ts";
import { blockGrids, streamForJpegJs } from "./jpeg-scans.ts";
import { Marker, undecodable } from "./jpeg-segments.ts";
import type { RgbImage } from "./rgb-image.ts";

export interface DecodeLimits {
  /** width * height of the frame header. */
  readonly maxPixels: number;
  /** See decodeCostBytes. */
  readonly maxDecodeBytes: number;
}

/**
 * JS heap and backing store of one 8x8 block in jpeg-js: an Int32Array(64) has 256 bytes of coefficients and, measured
 * in V8 12.4, 200 bytes of objects and the pointer to them. (The process grows by 760: V8's own records and malloc.)
 */
const bytesPerBlock = 256 + 200;
/** A sample line in jpeg-js is a Uint8Array of its own, with the same 200 bytes of objects. */
const bytesPerLine = 200;

/**
 * Bytes that jpeg-js 0.4.4 holds at once, at its peak, for an image of this header: every coefficient of every
 * component (blocks padded to whole MCUs), the sample lines made from them, the interleaved components, and the RGB
 * result. Not counted: the compressed bytes and one copy of them.
 */
export function decodeCostBytes(header: JpegHeader): number {
  const pixels = header.width * header.height;
  const planes = blockGrids(header).reduce(
    (sum, grid) =>
      sum +
      grid.paddedPerLine * grid.paddedPerColumn * bytesPerBlock +
      grid.blocksPerColumn * 8 * (grid.blocksPerLine * 8 + bytesPerLine),
    0,
  );
  return planes + pixels * header.components.length + pixels * 3;
}

/**
 * Decodes a whole JPEG: baseline, extended or progressive, 8 bit, Huffman-coded; grey, YCbCr, RGB, CMYK or YCCK.
 * CMYK is taken as inverted, as Adobe writes it, and becomes RGB without a colour profile, as in Pillow.
 * A file must be complete up to its EOI marker; what follows it is ignored.
 * Throws unsupported_image, image_undecodable, image_too_large (pixels, decode_bytes) or empty_body; nothing else.
 */
export function decodeJpeg(bytes: Uint8Array, limits: DecodeLimits): RgbImage {
  const header = parseJpegHeader(bytes);
  checkLimits(header, limits);
  const stream = streamForJpegJs(bytes, header, app14Segment(header));
  try {
    const { width, height, data } = decode(stream, {
      useTArray: true,
      formatAsRGBA: false,
      colorTransform: hasColourTransform(header),
      // All that it does: a last restart interval of a one-component scan may be short, which is legal. Without it such
      // files fail. Truncation does not get that far: streamForJpegJs requires the EOI marker.
      tolerantDecoding: true,
      // Our own checks stand before these; they are a second fence and never the first to object.
      maxResolutionInMP: Math.ceil(limits.maxPixels / 1e6),
      maxMemoryUsageInMB: Math.ceil(limits.maxDecodeBytes / 2 ** 20) + 1,
    });
    return { width, height, data };
  } catch (cause) {
    throw undecodable(explain(cause), cause);
  }
}

/** Throws image_too_large where the header announces more than the limits allow; nothing is allocated before. */
export function checkLimits(header: JpegHeader, limits: DecodeLimits): void {
  const pixels = header.width * header.height;
  if (pixels > limits.maxPixels) {
    throw new ClassifierError({
      code: "image_too_large",
      unit: "pixels",
      measured: pixels,
      limit: limits.maxPixels,
    });
  }
  const cost = decodeCostBytes(header);
  if (cost > limits.maxDecodeBytes) {
    throw new ClassifierError({
      code: "image_too_large",
      unit: "decode_bytes",
      measured: cost,
      limit: limits.maxDecodeBytes,
    });
  }
}

/**
 * Whether the components are YCbCr (or YCCK), as libjpeg tells. Three: JFIF says YCbCr, then the Adobe segment decides,
 * then the component ids. Four: the Adobe segment decides, and without one they are CMYK.
 */
function hasColourTransform({ components, hasJfif, adobeTransform }: JpegHeader): boolean {
  if (components.length === 4) return (adobeTransform ?? 0) !== 0;
  if (hasJfif) return true;
  if (adobeTransform !== undefined) return adobeTransform !== 0;
  return components.map((c) => String.fromCharCode(c.id)).join("") !== "RGB";
}

/** jpeg-js decodes four components only with an Adobe segment. All other APPn are dropped: the option decides. */
function app14Segment(header: JpegHeader): Uint8Array {
  if (header.components.length !== 4) return new Uint8Array(0);
  const transform = hasColourTransform(header) ? 2 : 0;
  const adobe = [0x41, 0x64, 0x6f, 0x62, 0x65, 0, 100, 0, 0, 0, 0, transform];
  return Uint8Array.of(0xff, Marker.APP14, 0, 2 + adobe.length, ...adobe);
}

function explain(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : String(cause);
  if (message.startsWith("unexpected marker")) return "its image data ends too early";
  if (message === "marker was not found") return "its image data runs past its end";
  return `its compressed data is broken (${message.slice(0, 100)})`;
}

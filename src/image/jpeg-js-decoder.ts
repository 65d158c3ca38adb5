/** The whole image by jpeg-js, whose sole home this is. Pure. */
import { decode } from "jpeg-js";
import { freeBytes } from "../free-bytes.ts";
import { blockGrids, paddedBlocks } from "./block-grid.ts";
import { hasColourTransform } from "./colour.ts";
import type { CheckedJpeg } from "./jpeg-scans.ts";
import { undecodable } from "./jpeg-segments.ts";
import { app14Segment, streamPieces, totalLength, writePieces } from "./jpeg-stream.ts";
import type { RgbImage } from "./rgb-image.ts";
import { freeingScratch } from "./scratch-arrays.ts";

/** jpeg-js bounds itself in these; ours stand before it and are exact, so that it must never be the first to object. */
const noBound = 2 ** 20;
/** Quantisation tables, and one block to work in for each component. */
const otherBlocks = 8;

/**
 * Decodes at full size: baseline, extended or progressive; grey, YCbCr, RGB, CMYK or YCCK. CMYK is taken as inverted,
 * as Adobe writes it, and becomes RGB without a colour profile, as in Pillow. The caller has checked the cost
 * and jpegJsDecodes. Throws image_undecodable.
 */
export function decodeWithJpegJs(jpeg: CheckedJpeg): RgbImage {
  const colourTransform = hasColourTransform(jpeg.header);
  // jpeg-js decodes four components only with an Adobe segment; otherwise the option below decides.
  const app14 =
    jpeg.header.components.length === 4 ? app14Segment(colourTransform ? 2 : 0) : new Uint8Array(0);
  const pieces = streamPieces(jpeg, app14);
  // A buffer of its own: jpeg-js views an ArrayBuffer and would copy anything else.
  const stream = new Uint8Array(totalLength(pieces));
  writePieces(pieces, stream);
  const options = {
    useTArray: true,
    formatAsRGBA: false,
    colorTransform: colourTransform,
    // All that it does: a last restart interval of a one-component scan may be short, which is legal. Without it such
    // files fail. Truncation does not get that far: the checked file has its EOI marker.
    tolerantDecoding: true,
    maxResolutionInMP: noBound,
    maxMemoryUsageInMB: noBound,
  } as const;
  const blocks = blockGrids(jpeg.header).reduce((sum, grid) => sum + paddedBlocks(grid), 0);
  try {
    const { width, height, data } = freeingScratch(
      blocks + otherBlocks,
      () => decode(stream.buffer, options),
      (image) => image.data,
    );
    return { width, height, data };
  } catch (cause) {
    throw undecodable(explain(cause), cause);
  } finally {
    freeBytes(stream);
  }
}

/**
 * False where jpeg-js would go wrong on a sound file: a one-component scan whose last restart interval is short, beside
 * rows that pad the frame to whole MCUs. jpeg-js runs on into those rows and consumes bits there.
 */
export function jpegJsDecodes({ header, scans }: CheckedJpeg): boolean {
  const grids = blockGrids(header);
  return !scans.some(({ components, restartInterval, mcus }) => {
    const grid = grids[components[0]!]!;
    const hasPaddingRows = components.length === 1 && grid.blocksPerColumn < grid.paddedPerColumn;
    return hasPaddingRows && restartInterval > 0 && mcus % restartInterval !== 0;
  });
}

function explain(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : String(cause);
  if (message.startsWith("unexpected marker")) return "its image data ends too early";
  if (message === "marker was not found") return "its image data runs past its end";
  return `its compressed data is broken (${message.slice(0, 100)})`;
}

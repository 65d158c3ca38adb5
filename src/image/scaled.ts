/**
 * The package export `edge-resnet/image`: small RGB pixels of a large JPEG, PNG, WebP or GIF, in a few megabytes. Rows go from
 * the decoder straight into the resizer, so the decoded image never exists as a whole.
 */
import { decodeLimits } from "../limits.ts";
import { decodeImage, planImage } from "./decode.ts";
import { turnedRow, turns, uprightSize } from "./orientation.ts";
import { type Axis, Resampler, resamplerBytes } from "./resample.ts";
import type { DecodedFrame, RgbImage, RowSink, Size } from "./rgb-image.ts";

export { ClassifierError } from "../errors.ts";
export type { RgbImage, Size } from "./rgb-image.ts";

/** How small the result may be, and what decoding it may cost. */
export interface ScaleOptions {
  /** Smallest width and height of the result, in pixels of the upright image. A smaller image keeps its size. */
  readonly minWidth: number;
  readonly minHeight: number;
  /** Largest width * height of the file. Default: 50,000,000. */
  readonly maxPixels?: number;
  /** Bytes that the decoder may allocate. Default: 8 MiB. */
  readonly maxDecodeBytes?: number;
}

/** A small image, upright. */
export interface ScaledImage extends RgbImage {
  /** Size of the original, upright. */
  readonly originalSize: Size;
}

/**
 * Decodes an image of any size to the smallest one with the same proportions that covers `minWidth` x `minHeight`. Exif's
 * orientation is applied, and transparency is composited over white. An animation gives its first frame. Decode one image
 * at a time: each takes the memory that `memoryBytes` states.
 *
 * @example
 * ```ts
 * import { decodeScaled } from "edge-resnet/image";
 *
 * const { width, height, data } = await decodeScaled(bytes, { minWidth: 320, minHeight: 320 });
 * ```
 * @param bytes the file; recognised by its first bytes, whatever its name or type
 * @throws RangeError for options that are not positive integers
 * @throws ClassifierError with `reason.code`: unsupported_image, image_undecodable, image_too_large (with `unit`, `measured`
 *   and `limit`), empty_body
 */
export async function decodeScaled(bytes: Uint8Array, options: ScaleOptions): Promise<ScaledImage> {
  const { minimum, limits } = checked(options);
  const sinkFor = (frame: DecodedFrame) => new ScaledRows(frame, minimum);
  const { frame, sink } = await decodeImage(bytes, targetFor(minimum), limits, sinkFor);
  return { ...sink.image, originalSize: uprightSize(frame.fullSize, frame.orientation) };
}

/**
 * Bytes that `decodeScaled` allocates for an image: the decoder, the resizer and the result. Reads the file's headers and
 * allocates nothing large. For lossless WebP, and for WebP with alpha, it is an upper bound; for PNG, workerd buffers up to
 * 2 MiB more while it inflates.
 * @throws RangeError, ClassifierError as decodeScaled does
 */
export function memoryBytes(bytes: Uint8Array, options: ScaleOptions): number {
  const { minimum, limits } = checked(options);
  const frame = planImage(bytes, targetFor(minimum), limits);
  const { horizontal, vertical } = axesOf(frame, minimum);
  return frame.costBytes + resamplerBytes(horizontal, vertical) + 3 * horizontal.length * vertical.length;
}

function checked({ minWidth, minHeight, ...limits }: ScaleOptions) {
  const { maxPixels, maxDecodeBytes } = { ...decodeLimits, ...limits };
  for (const [name, value] of Object.entries({ minWidth, minHeight, maxPixels, maxDecodeBytes })) {
    if (!(Number.isSafeInteger(value) && value > 0)) {
      throw new RangeError(`${name} is ${value}; expected an integer from 1 on.`);
    }
  }
  return { minimum: { width: minWidth, height: minHeight }, limits: { maxPixels, maxDecodeBytes } };
}

/** The scale of a JPEG is chosen before its orientation is known, so the target suits an upright and a turned image. */
function targetFor({ width, height }: Size): (fullSize: Size) => Size {
  return (fullSize) => {
    const turned = { width: height, height: width };
    const share = Math.max(shareOf(fullSize, { width, height }), shareOf(fullSize, turned));
    return { width: fullSize.width * share, height: fullSize.height * share };
  };
}

/** Share of a side that remains: the smallest at which the image covers the minimum, at most 1. */
function shareOf(size: Size, minimum: Size): number {
  return Math.min(1, Math.max(minimum.width / size.width, minimum.height / size.height));
}

/** The axes of the resize, in the orientation of the file. */
function axesOf({ fullSize, size, eighths, orientation }: DecodedFrame, minimum: Size) {
  const share = shareOf(fullSize, uprightSize(minimum, orientation));
  const axis = (side: "width" | "height"): Axis => {
    const length = Math.max(1, Math.round(fullSize[side] * share));
    return {
      sourceLength: size[side],
      extent: (fullSize[side] * eighths) / 8,
      resizedLength: length,
      from: 0,
      length,
    };
  };
  return { horizontal: axis("width"), vertical: axis("height") };
}

/** Resizes the rows of a decoder and turns them upright. */
class ScaledRows implements RowSink {
  readonly firstRow: number;
  readonly endRow: number;
  readonly image: RgbImage;
  readonly #resampler: Resampler;

  constructor(frame: DecodedFrame, minimum: Size) {
    const { horizontal, vertical } = axesOf(frame, minimum);
    const size = { width: horizontal.length, height: vertical.length };
    const data = new Uint8Array(3 * size.width * size.height);
    const turn = turns[frame.orientation];
    this.#resampler = new Resampler(horizontal, vertical, (y, row) => {
      const { start, step } = turnedRow(turn, size, y);
      for (let x = 0; x < size.width; x++) data.set(row.subarray(3 * x, 3 * x + 3), 3 * (start + x * step));
    });
    this.firstRow = this.#resampler.firstRow;
    this.endRow = this.#resampler.endRow;
    this.image = { ...uprightSize(size, frame.orientation), data };
  }

  push(row: Uint8Array | Uint8ClampedArray): void {
    this.#resampler.push(row);
  }
}

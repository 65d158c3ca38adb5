/** Decoded pixels, and what decoders are given and return. */
import { imageTooLarge, type SizeUnit } from "../errors.ts";
import type { Orientation } from "./orientation.ts";

/** Pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** A whole image: 8-bit RGB, interleaved, rows from the top; data.length is width * height * 3. */
export interface RgbImage extends Size {
  readonly data: Uint8Array | Uint8ClampedArray;
}

/** An image whose rows are computed one at a time, so that it never exists as a whole. */
export interface RgbRows extends Size {
  /**
   * Returns row `y` from the top: width * 3 bytes, RGB interleaved, valid until the next call. Rows can be skipped, but must
   * be read from the top down.
   */
  row(y: number): Uint8Array | Uint8ClampedArray;
}

/** The rows of a whole image. */
export function rowsOf({ width, height, data }: RgbImage): RgbRows {
  return { width, height, row: (y) => data.subarray(y * width * 3, (y + 1) * width * 3) };
}

/** Takes the rows of an image from the top down, so that the image never exists as a whole. */
export interface RowSink {
  /** The rows that are needed: [firstRow, endRow). */
  readonly firstRow: number;
  readonly endRow: number;
  /** Takes the next of these rows: width * 3 bytes, RGB interleaved. The array may be reused afterwards. */
  push(row: Uint8Array | Uint8ClampedArray): void;
}

/** Pushes the rows that a sink needs. */
export function pushRows(rows: RgbRows, sink: RowSink): void {
  for (let y = sink.firstRow; y < sink.endRow; y++) sink.push(rows.row(y));
}

/** Collects all rows in one image, for tools and tests. */
export class RowCollector implements RowSink {
  readonly firstRow = 0;
  readonly endRow: number;
  readonly image: RgbImage;
  #filled = 0;

  constructor({ width, height }: Size) {
    this.endRow = height;
    this.image = { width, height, data: new Uint8ClampedArray(width * height * 3) };
  }

  push(row: Uint8Array | Uint8ClampedArray): void {
    this.image.data.set(row, this.#filled);
    this.#filled += row.length;
  }
}

/** Size of a decoded image in eighths of the file's size: the sizes of inverse DCT that the decoder has. */
export type Eighths = 1 | 2 | 4 | 8;

/** What decoding an image may cost. */
export interface DecodeLimits {
  /** width * height of the image's header. */
  readonly maxPixels: number;
  /** Bytes that the decoder may allocate. Each decoder computes its bytes from the headers, before it allocates any. */
  readonly maxDecodeBytes: number;
}

/** How an image is decoded. */
export interface DecodeScale {
  readonly decoder: "jpeg" | "png" | "webp" | "gif";
  /** The decoded image has this many eighths of the file's width and height. */
  readonly eighths: Eighths;
  /** Bytes that the decoder allocates. */
  readonly costBytes: number;
}

/** What is known about an image before its pixels are decoded. */
export interface DecodedFrame extends DecodeScale {
  /** Size in the header of the file. */
  readonly fullSize: Size;
  /** Size of the decoded image, in the orientation of the file: `eighths` of the full size. */
  readonly size: Size;
  readonly orientation: Orientation;
}

/** A decoded image, and the sink that took its rows. */
export interface Decoded<Sink extends RowSink> {
  readonly frame: DecodedFrame;
  readonly sink: Sink;
}

/**
 * Refuses an image that exceeds a limit.
 * @throws ClassifierError image_too_large
 */
export function checkLimit(unit: SizeUnit, measured: number, limit: number): void {
  if (measured > limit) throw imageTooLarge(unit, measured, limit);
}

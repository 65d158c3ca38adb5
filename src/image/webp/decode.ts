/**
 * Decodes a WebP image row by row, at full size: lossy, lossless, with or without alpha, and the first frame of an
 * animation. It never holds the whole image. Its pixels equal those of libwebp with its default settings, bit for bit,
 * composited over white.
 *
 * The builds of libwebp on npm (@jsquash/webp, @cwasm/webp, webp-wasm) decode the whole image to RGBA, cannot scale,
 * and keep their memory: 50 to 138 MiB of WASM memory and 46.5 MiB of RGBA for 12 megapixels. This decoder needs 0.2 MB
 * for a lossy and 4.3 MB for a lossless image of that size.
 */
import { exifOrientation } from "../orientation.ts";
import {
  checkLimit,
  type Decoded,
  type DecodedFrame,
  type DecodeLimits,
  pushRows,
  type RgbRows,
  type RowSink,
  type Size,
} from "../rgb-image.ts";
import { AlphaReader, alphaLeastCostBytes } from "./alpha.ts";
import { parseWebp, type WebpFile, type WebpFrame } from "./container.ts";
import { DecodeMemory } from "./decode-memory.ts";
import { Vp8Decoder, vp8CostBytes } from "./vp8-decoder.ts";
import { type Vp8lDecoder, vp8lDecoder, vp8lHasAlpha, vp8lLeastCostBytes } from "./vp8l-decoder.ts";

/**
 * Decodes a whole WebP image. Transparent pixels, and the part of the canvas that the first frame of an animation leaves free,
 * are composited over white. Ignores colour profiles, and everything after the RIFF chunk. Rows that the sink does not need are
 * read too, so that broken files are refused all the same.
 * @param sinkFor returns what takes the rows, in the orientation of the file
 * @throws ClassifierError image_undecodable, image_too_large (pixels, decode_bytes); what `sinkFor` throws
 */
export function decodeWebp<Sink extends RowSink>(
  bytes: Uint8Array,
  limits: DecodeLimits,
  sinkFor: (frame: DecodedFrame) => Sink,
): Decoded<Sink> {
  const { file, frame: planned } = planWebp(bytes, limits);
  const memory = new DecodeMemory(limits.maxDecodeBytes);
  try {
    const rows = new WebpRows(file, memory);
    const frame = { ...planned, costBytes: memory.usedBytes };
    const sink = sinkFor(frame);
    pushRows(rows, sink);
    rows.finish();
    return { frame, sink };
  } finally {
    memory.free();
  }
}

/**
 * Reads the chunks, and computes what the decode needs. Allocates nothing large. What VP8L data needs is known only
 * after reading it, so for such a file `costBytes` is the limit.
 * @throws ClassifierError image_undecodable, image_too_large (pixels, decode_bytes)
 */
export function planWebp(
  bytes: Uint8Array,
  limits: DecodeLimits,
): { readonly file: WebpFile; readonly frame: DecodedFrame } {
  const file = parseWebp(bytes);
  const size: Size = { width: file.width, height: file.height };
  checkLimit("pixels", size.width * size.height, limits.maxPixels);
  const least = webpLeastCostBytes(file);
  checkLimit("decode_bytes", least, limits.maxDecodeBytes);
  const { isLossless, alpha } = file.frame;
  const costBytes = isLossless || alpha ? limits.maxDecodeBytes : least;
  const orientation = exifOrientation(file.exif);
  return { file, frame: { decoder: "webp", eighths: 8, costBytes, fullSize: size, size, orientation } };
}

/**
 * Bytes that a decode allocates, computed before it allocates any. Exact for lossy images, where they grow with the
 * width only: two rows of macroblocks. The prefix codes and transforms of lossless data come on top, also those of an
 * alpha channel; the decode counts them as it reads them.
 */
export function webpLeastCostBytes({ width, frame }: WebpFile): number {
  const row = 3 * width;
  if (frame.isLossless) return row + vp8lLeastCostBytes(frame);
  return row + vp8CostBytes(frame) + (frame.alpha ? alphaLeastCostBytes(frame.alpha, frame) : 0);
}

/** The rows of a canvas with one frame. */
class WebpRows implements RgbRows {
  readonly width: number;
  readonly height: number;
  readonly #frame: WebpFrame;
  readonly #source: FrameRows;
  readonly #output: Uint8ClampedArray;

  constructor({ width, height, frame }: WebpFile, memory: DecodeMemory) {
    this.width = width;
    this.height = height;
    this.#frame = frame;
    this.#output = memory.allocate(Uint8ClampedArray, 3 * width);
    this.#source = frame.isLossless ? new LosslessRows(frame, memory) : new LossyRows(frame, memory);
  }

  /** @throws ClassifierError image_undecodable */
  row(y: number): Uint8ClampedArray {
    const { x, y: top, width, height } = this.#frame;
    if (width < this.width || height < this.height) this.#output.fill(255);
    if (y >= top && y < top + height) this.#source.writeRow(y - top, this.#output, 3 * x);
    return this.#output;
  }

  /**
   * Reads the rest of the file, so that a file with broken or missing data is refused. No rows can be read afterwards.
   * @throws ClassifierError image_undecodable
   */
  finish(): void {
    this.#source.finish();
  }
}

/** The rows of a frame, over white. */
interface FrameRows {
  /** Writes row `y` as interleaved RGB from index `at` on. Rows can be skipped, but must be read from the top down. */
  writeRow(y: number, out: Uint8ClampedArray, at: number): void;
  finish(): void;
}

class LossyRows implements FrameRows {
  readonly #width: number;
  readonly #colours: Vp8Decoder;
  readonly #alpha: AlphaReader | undefined;

  constructor(frame: WebpFrame, memory: DecodeMemory) {
    this.#width = frame.width;
    this.#colours = new Vp8Decoder(frame.data, memory);
    this.#alpha = frame.alpha && new AlphaReader(frame.alpha, frame, memory);
  }

  writeRow(y: number, out: Uint8ClampedArray, at: number): void {
    this.#colours.writeRow(y, out, at);
    const alpha = this.#alpha?.row(y);
    if (!alpha) return;
    for (let x = 0, to = at; x < this.#width; x++, to += 3) {
      const opacity = alpha[x]!;
      if (opacity === 255) continue;
      out[to] = overWhite(out[to]!, opacity);
      out[to + 1] = overWhite(out[to + 1]!, opacity);
      out[to + 2] = overWhite(out[to + 2]!, opacity);
    }
  }

  finish(): void {
    this.#colours.finish();
    this.#alpha?.finish();
  }
}

class LosslessRows implements FrameRows {
  readonly #width: number;
  readonly #hasAlpha: boolean;
  readonly #decoder: Vp8lDecoder;
  #rowsRead = 0;

  constructor(frame: WebpFrame, memory: DecodeMemory) {
    this.#width = frame.width;
    this.#hasAlpha = vp8lHasAlpha(frame.data);
    this.#decoder = vp8lDecoder(frame.data, memory);
  }

  writeRow(y: number, out: Uint8ClampedArray, at: number): void {
    for (; this.#rowsRead < y; this.#rowsRead++) this.#decoder.nextRow();
    const row = this.#decoder.nextRow();
    this.#rowsRead++;
    for (let x = 0, to = at; x < this.#width; x++, to += 3) {
      const argb = row[x]!;
      // Like libwebp's callers, this ignores the alpha channel if the header says that it is not used.
      const opacity = this.#hasAlpha ? argb >>> 24 : 255;
      out[to] = overWhite((argb >> 16) & 255, opacity);
      out[to + 1] = overWhite((argb >> 8) & 255, opacity);
      out[to + 2] = overWhite(argb & 255, opacity);
    }
  }

  finish(): void {
    this.#decoder.finish();
  }
}

/** A level of opacity 0 to 255 over 255, rounded to the nearest level. */
function overWhite(level: number, opacity: number): number {
  const sum = level * opacity + 255 * (255 - opacity) + 128;
  // Division by 255, exact for 16 bits.
  return (sum + (sum >> 8)) >> 8;
}

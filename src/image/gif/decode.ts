/**
 * Decodes the first frame of a GIF (Graphics Interchange Format, version 89a, CompuServe 1990; section numbers below are its
 * own), row by row. It holds one row, or all indices of an interlaced frame, and the LZW table.
 */
import { freeBytes } from "../../bytes/byte-arrays.ts";
import { undecodable } from "../../errors.ts";
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
import { LzwReader, lzwBytes } from "./lzw.ts";

/** The first frame, and where it lies on the canvas. */
export interface GifFrame extends Size {
  readonly canvas: Size;
  readonly left: number;
  readonly top: number;
  readonly isInterlaced: boolean;
  /** Three bytes per colour. */
  readonly colours: Uint8Array;
  /** Index of the transparent colour, or -1. */
  readonly transparent: number;
  /** Offset of the LZW data: the minimum code size, then sub-blocks. */
  readonly dataStart: number;
}

/**
 * Decodes a whole GIF. Transparent pixels, and the part of the canvas that the frame does not cover, are white. Further frames
 * are ignored. The first one must be complete.
 * @param sinkFor returns what takes the rows
 * @throws ClassifierError image_undecodable, image_too_large (pixels, decode_bytes); what `sinkFor` throws
 */
export function decodeGif<Sink extends RowSink>(
  bytes: Uint8Array,
  limits: DecodeLimits,
  sinkFor: (frame: DecodedFrame) => Sink,
): Decoded<Sink> {
  const { gif, frame } = planGif(bytes, limits);
  const sink = sinkFor(frame);
  const rows = new GifRows(bytes, gif);
  try {
    pushRows(rows, sink);
    rows.finish();
    return { frame, sink };
  } finally {
    rows.free();
  }
}

/**
 * Reads everything before the image data, and computes what the decode needs. Allocates nothing large.
 * @throws ClassifierError image_undecodable, image_too_large (pixels, decode_bytes)
 */
export function planGif(
  bytes: Uint8Array,
  limits: DecodeLimits,
): { readonly gif: GifFrame; readonly frame: DecodedFrame } {
  const gif = parseGif(bytes);
  const size = gif.canvas;
  checkLimit("pixels", size.width * size.height, limits.maxPixels);
  const costBytes = decodeCostBytes(gif);
  checkLimit("decode_bytes", costBytes, limits.maxDecodeBytes);
  return { gif, frame: { decoder: "gif", eighths: 8, costBytes, fullSize: size, size, orientation: 1 } };
}

/** Bytes of all arrays that a decode allocates, computed before it allocates any. */
export function decodeCostBytes({ canvas, width, height, isInterlaced }: GifFrame): number {
  return 3 * canvas.width + width * (isInterlaced ? height : 1) + lzwBytes;
}

/**
 * Reads everything before the LZW data of the first frame. A frame that exceeds the canvas enlarges it, as in Pillow.
 * @throws ClassifierError image_undecodable
 */
export function parseGif(bytes: Uint8Array): GifFrame {
  const signature = String.fromCharCode(...bytes.subarray(0, 6));
  if (!/^GIF8[79]a$/.test(signature)) throw undecodable("it is neither GIF87a nor GIF89a");
  // Logical Screen Descriptor (18).
  requireBytes(bytes, 13);
  const screen = { width: uint16(bytes, 6), height: uint16(bytes, 8) };
  let at = 13;
  const globalColours = colourTable(bytes, bytes[10]!, at);
  at += globalColours.length;
  let transparent = -1;
  for (;;) {
    requireBytes(bytes, at + 1);
    const block = bytes[at]!;
    if (block === 0x2c) break;
    if (block === 0x3b) throw undecodable("it has no image");
    if (block !== 0x21) throw undecodable(`it has an unknown block ${block}`);
    requireBytes(bytes, at + 2);
    // Graphic Control Extension (23): it applies to the next image.
    if (bytes[at + 1] === 0xf9 && bytes[at + 2] === 4) {
      requireBytes(bytes, at + 7);
      transparent = bytes[at + 3]! & 1 ? bytes[at + 6]! : -1;
    }
    at = skipSubBlocks(bytes, at + 2);
  }
  // Image Descriptor (20).
  requireBytes(bytes, at + 10);
  const [left, top] = [uint16(bytes, at + 1), uint16(bytes, at + 3)];
  const [width, height] = [uint16(bytes, at + 5), uint16(bytes, at + 7)];
  if (width === 0 || height === 0) throw undecodable(`its first frame has ${width}x${height} pixels`);
  const packed = bytes[at + 9]!;
  at += 10;
  const localColours = colourTable(bytes, packed, at);
  const colours = localColours.length > 0 ? localColours : globalColours;
  if (colours.length === 0) throw undecodable("it has no colour table");
  const canvas = {
    width: Math.max(screen.width, left + width),
    height: Math.max(screen.height, top + height),
  };
  const isInterlaced = (packed & 0x40) !== 0;
  const dataStart = at + localColours.length;
  return { canvas, left, top, width, height, isInterlaced, colours, transparent, dataStart };
}

/** The colour table at `at` that the packed fields announce; empty if there is none. */
function colourTable(bytes: Uint8Array, packed: number, at: number): Uint8Array {
  if ((packed & 0x80) === 0) return bytes.subarray(at, at);
  const end = at + 3 * (2 << (packed & 7));
  requireBytes(bytes, end);
  return bytes.subarray(at, end);
}

/** Returns the offset after a sequence of sub-blocks (15) and its terminator. */
function skipSubBlocks(bytes: Uint8Array, start: number): number {
  let at = start;
  for (;;) {
    requireBytes(bytes, at + 1);
    const length = bytes[at]!;
    at += 1 + length;
    if (length === 0) return at;
  }
}

function requireBytes(bytes: Uint8Array, end: number): void {
  if (bytes.length < end) throw undecodable("the file ends before its image data");
}

function uint16(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8);
}

/** First row and step of the four passes of an interlaced frame (appendix E). */
const passes = [
  [0, 8],
  [4, 8],
  [2, 4],
  [1, 2],
] as const;

/** The rows of the canvas. */
class GifRows implements RgbRows {
  readonly width: number;
  readonly height: number;
  readonly #frame: GifFrame;
  readonly #lzw: LzwReader;
  /** Colour indices of one row, or of the whole frame if it is interlaced. */
  readonly #indices: Uint8Array;
  readonly #output: Uint8ClampedArray;
  /** Rows of the frame that have been read. */
  #rowsRead = 0;

  constructor(bytes: Uint8Array, frame: GifFrame) {
    this.width = frame.canvas.width;
    this.height = frame.canvas.height;
    this.#frame = frame;
    this.#lzw = new LzwReader(bytes, frame.dataStart);
    this.#indices = new Uint8Array(frame.width * (frame.isInterlaced ? frame.height : 1));
    this.#output = new Uint8ClampedArray(3 * this.width);
  }

  /** @throws ClassifierError image_undecodable */
  row(y: number): Uint8ClampedArray {
    const { left, top, width, height, colours, transparent } = this.#frame;
    this.#output.fill(255);
    const rowInFrame = y - top;
    if (rowInFrame < 0 || rowInFrame >= height) return this.#output;
    const indices = this.#rowOfFrame(rowInFrame);
    for (let x = 0, to = 3 * left; x < width; x++, to += 3) {
      const index = indices[x]!;
      if (index === transparent) continue;
      // An index beyond the table is black, as in Pillow.
      const from = 3 * index;
      this.#output[to] = colours[from] ?? 0;
      this.#output[to + 1] = colours[from + 1] ?? 0;
      this.#output[to + 2] = colours[from + 2] ?? 0;
    }
    return this.#output;
  }

  /**
   * Reads the rest of the frame, so that a file with missing data is refused.
   * @throws ClassifierError image_undecodable
   */
  finish(): void {
    this.#rowOfFrame(this.#frame.height - 1);
  }

  /** Frees all arrays. No rows can be read afterwards. */
  free(): void {
    for (const array of [this.#indices, this.#output]) freeBytes(array);
    this.#lzw.free();
  }

  #rowOfFrame(y: number): Uint8Array {
    const { width, height, isInterlaced } = this.#frame;
    if (!isInterlaced) {
      for (; this.#rowsRead <= y; this.#rowsRead++) this.#lzw.read(this.#indices);
      return this.#indices;
    }
    if (this.#rowsRead === 0) {
      for (const [first, step] of passes) {
        for (let row = first; row < height; row += step) {
          this.#lzw.read(this.#indices.subarray(row * width, (row + 1) * width));
        }
      }
      this.#rowsRead = height;
    }
    return this.#indices.subarray(y * width, (y + 1) * width);
  }
}

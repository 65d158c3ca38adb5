/**
 * The inverse transforms of VP8L, row by row (RFC 9649, section 3.5). A pixel is ARGB, with alpha in the highest byte.
 */
import type { DecodeMemory } from "./decode-memory.ts";

/** Types of transforms, as coded. */
export const TransformType = { predictor: 0, colour: 1, subtractGreen: 2, colourIndexing: 3 } as const;

/** One transform of an image. */
export interface Transform {
  /** Inverts row `y` in place. Rows must come in order, because prediction depends on the row above. */
  invert(row: Int32Array, y: number): void;
}

/** Adds green to red and blue (section 3.5.3). */
export class SubtractGreen implements Transform {
  readonly #width: number;

  constructor(width: number) {
    this.#width = width;
  }

  invert(row: Int32Array): void {
    for (let x = 0; x < this.#width; x++) {
      const argb = row[x]!;
      const green = (argb >> 8) & 255;
      row[x] = (argb & ~0xff00ff) | (((argb & 0xff00ff) + ((green << 16) | green)) & 0xff00ff);
    }
  }
}

/** Adds multiples of green to red, and of green and red to blue (section 3.5.2). */
export class ColourTransform implements Transform {
  readonly #width: number;
  readonly #bits: number;
  readonly #blocksPerRow: number;
  readonly #blocks: Int32Array;

  /** @param blocks a pixel per block of 1 << bits by 1 << bits pixels */
  constructor(width: number, bits: number, blocks: Int32Array) {
    this.#width = width;
    this.#bits = bits;
    this.#blocksPerRow = blockCount(width, bits);
    this.#blocks = blocks;
  }

  invert(row: Int32Array, y: number): void {
    let block = (y >> this.#bits) * this.#blocksPerRow;
    for (let start = 0; start < this.#width; start += 1 << this.#bits, block++) {
      const factors = this.#blocks[block]!;
      const redToBlue = (factors << 8) >> 24;
      const greenToBlue = (factors << 16) >> 24;
      const greenToRed = (factors << 24) >> 24;
      const end = Math.min(start + (1 << this.#bits), this.#width);
      for (let x = start; x < end; x++) {
        const argb = row[x]!;
        const green = (argb << 16) >> 24;
        const red = ((argb >> 16) + ((greenToRed * green) >> 5)) & 255;
        const signedRed = (red << 24) >> 24;
        const blue = (argb + ((greenToBlue * green) >> 5) + ((redToBlue * signedRed) >> 5)) & 255;
        row[x] = (argb & ~0xff00ff) | (red << 16) | blue;
      }
    }
  }
}

/** Replaces indices by the colours of a table. Up to 8 small indices are in one pixel (section 3.5.4). */
export class ColourIndexing implements Transform {
  readonly #width: number;
  readonly #bundleBits: number;
  readonly #table: Int32Array;

  /**
   * @param width of the row of colours
   * @param bundleBits of colourBundleBits
   * @param table 256 colours; those after the end of the table are 0
   */
  constructor(width: number, bundleBits: number, table: Int32Array) {
    this.#width = width;
    this.#bundleBits = bundleBits;
    this.#table = table;
  }

  invert(row: Int32Array): void {
    const bundleBits = this.#bundleBits;
    const table = this.#table;
    const indexBits = 8 >> bundleBits;
    const indexMask = (1 << indexBits) - 1;
    const placeMask = (1 << bundleBits) - 1;
    // From the right, because the row of colours is longer than the row of bundles.
    for (let x = this.#width - 1; x >= 0; x--) {
      const green = (row[x >> bundleBits]! >> 8) & 255;
      row[x] = table[(green >> ((x & placeMask) * indexBits)) & indexMask]!;
    }
  }
}

/** The indices in one pixel, as a power of two, for a table of `colours` colours. */
export function colourBundleBits(colours: number): number {
  if (colours <= 2) return 3;
  if (colours <= 4) return 2;
  return colours <= 16 ? 1 : 0;
}

/** Blocks of 1 << bits pixels in `length` pixels. */
export function blockCount(length: number, bits: number): number {
  return (length + (1 << bits) - 1) >> bits;
}

/** Adds predictions from the neighbours (section 3.5.1). */
export class Predictor implements Transform {
  readonly #width: number;
  readonly #bits: number;
  readonly #blocksPerRow: number;
  readonly #modes: Uint8Array;
  /** The row above, and the first pixel of the current row, which follows its last pixel. */
  readonly #above: Int32Array;

  /** @param modes a mode per block of 1 << bits by 1 << bits pixels */
  constructor(width: number, bits: number, modes: Uint8Array, memory: DecodeMemory) {
    this.#width = width;
    this.#bits = bits;
    this.#blocksPerRow = blockCount(width, bits);
    this.#modes = modes;
    this.#above = memory.allocate(Int32Array, width + 1);
  }

  invert(row: Int32Array, y: number): void {
    const above = this.#above;
    const width = this.#width;
    if (y === 0) {
      row[0] = addPixels(row[0]!, opaqueBlack);
      predictLeft(row, 1, width);
    } else {
      row[0] = addPixels(row[0]!, above[0]!);
      // What the last pixel has above and to its right, as the specification says.
      above[width] = row[0]!;
      let block = (y >> this.#bits) * this.#blocksPerRow;
      for (let start = 1; start < width; block++) {
        const end = Math.min(((start >> this.#bits) + 1) << this.#bits, width);
        predict(this.#modes[block]!, row, above, start, end);
        start = end;
      }
    }
    above.set(width < row.length ? row.subarray(0, width) : row);
  }
}

const opaqueBlack = 0xff000000 | 0;

/** The sum of two pixels, channel by channel, modulo 256. */
export function addPixels(a: number, b: number): number {
  return (
    (((a & 0xff00ff00) + (b & 0xff00ff00)) & 0xff00ff00) | (((a & 0xff00ff) + (b & 0xff00ff)) & 0xff00ff)
  );
}

/** The mean of two pixels, channel by channel, rounded down. */
function mean(a: number, b: number): number {
  return ((a & b) + (((a ^ b) & 0xfefefefe) >>> 1)) | 0;
}

function predictLeft(row: Int32Array, start: number, end: number): void {
  for (let x = start; x < end; x++) row[x] = addPixels(row[x]!, row[x - 1]!);
}

/** Adds the predictions of one mode to the pixels from `start` to `end`. */
function predict(mode: number, row: Int32Array, above: Int32Array, start: number, end: number): void {
  switch (mode) {
    case 1:
      predictLeft(row, start, end);
      break;
    case 2:
      for (let x = start; x < end; x++) row[x] = addPixels(row[x]!, above[x]!);
      break;
    case 3:
      for (let x = start; x < end; x++) row[x] = addPixels(row[x]!, above[x + 1]!);
      break;
    case 4:
      for (let x = start; x < end; x++) row[x] = addPixels(row[x]!, above[x - 1]!);
      break;
    case 5:
      for (let x = start; x < end; x++) {
        row[x] = addPixels(row[x]!, mean(mean(row[x - 1]!, above[x + 1]!), above[x]!));
      }
      break;
    case 6:
      for (let x = start; x < end; x++) row[x] = addPixels(row[x]!, mean(row[x - 1]!, above[x - 1]!));
      break;
    case 7:
      for (let x = start; x < end; x++) row[x] = addPixels(row[x]!, mean(row[x - 1]!, above[x]!));
      break;
    case 8:
      for (let x = start; x < end; x++) row[x] = addPixels(row[x]!, mean(above[x - 1]!, above[x]!));
      break;
    case 9:
      for (let x = start; x < end; x++) row[x] = addPixels(row[x]!, mean(above[x]!, above[x + 1]!));
      break;
    case 10:
      for (let x = start; x < end; x++) {
        const right = mean(above[x]!, above[x + 1]!);
        row[x] = addPixels(row[x]!, mean(mean(row[x - 1]!, above[x - 1]!), right));
      }
      break;
    case 11:
      for (let x = start; x < end; x++) {
        row[x] = addPixels(row[x]!, selected(row[x - 1]!, above[x]!, above[x - 1]!));
      }
      break;
    case 12:
      for (let x = start; x < end; x++) {
        row[x] = addPixels(row[x]!, clampedGradient(row[x - 1]!, above[x]!, above[x - 1]!));
      }
      break;
    case 13:
      for (let x = start; x < end; x++) {
        row[x] = addPixels(row[x]!, clampedHalfGradient(mean(row[x - 1]!, above[x]!), above[x - 1]!));
      }
      break;
    default:
      // Modes 14 and 15 do not exist. Like libwebp, the decoder treats them as mode 0.
      for (let x = start; x < end; x++) row[x] = addPixels(row[x]!, opaqueBlack);
  }
}

/** Returns the neighbour that is closer to left + above - corner, by the sum of the channels' distances. */
function selected(left: number, above: number, corner: number): number {
  // left + above - corner differs from left by above - corner, and from above by left - corner.
  const leftDistance = distance(above, corner);
  const aboveDistance = distance(left, corner);
  return leftDistance < aboveDistance ? left : above;
}

function distance(a: number, b: number): number {
  return (
    Math.abs((a >>> 24) - (b >>> 24)) +
    Math.abs(((a >> 16) & 255) - ((b >> 16) & 255)) +
    Math.abs(((a >> 8) & 255) - ((b >> 8) & 255)) +
    Math.abs((a & 255) - (b & 255))
  );
}

function clampByte(value: number): number {
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

function clampedGradient(left: number, above: number, corner: number): number {
  const alpha = clampByte((left >>> 24) + (above >>> 24) - (corner >>> 24));
  const red = clampByte(((left >> 16) & 255) + ((above >> 16) & 255) - ((corner >> 16) & 255));
  const green = clampByte(((left >> 8) & 255) + ((above >> 8) & 255) - ((corner >> 8) & 255));
  const blue = clampByte((left & 255) + (above & 255) - (corner & 255));
  return (alpha << 24) | (red << 16) | (green << 8) | blue;
}

/** Adds half of what a pixel differs from the corner, rounded towards 0. */
function clampedHalfGradient(pixel: number, corner: number): number {
  const alpha = halfGradient(pixel >>> 24, corner >>> 24);
  const red = halfGradient((pixel >> 16) & 255, (corner >> 16) & 255);
  const green = halfGradient((pixel >> 8) & 255, (corner >> 8) & 255);
  const blue = halfGradient(pixel & 255, corner & 255);
  return (alpha << 24) | (red << 16) | (green << 8) | blue;
}

function halfGradient(level: number, corner: number): number {
  const difference = level - corner;
  return clampByte(level + ((difference + (difference >>> 31)) >> 1));
}

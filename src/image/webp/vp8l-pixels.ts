/** Reads the pixels of a VP8L image: literals, LZ77 copies and colour cache indices (RFC 9649, section 3.6.2). */

import { undecodable } from "../../errors.ts";
import type { Size } from "../rgb-image.ts";
import type { BitReader } from "./vp8l-bit-reader.ts";
import { codesPerGroup, lengthCodes, literals, type PrefixCodes } from "./vp8l-prefix-codes.ts";

/** Pixels that the window holds at most. The largest distance of a copy is 2^20 - 120. */
const maxWindowPixels = 1 << 20;
/** The window also holds colour tables, which can have more pixels than a small image. */
const minWindowPixels = 256;

/** Length of the window for an image of `pixels` pixels: a power of two. */
export function windowPixels(pixels: number): number {
  let length = minWindowPixels;
  while (length < pixels && length < maxWindowPixels) length *= 2;
  return length;
}

/** How the groups of prefix codes are assigned to square blocks of pixels. */
export interface GroupMap {
  /** Side of a block, as a power of two. */
  readonly bits: number;
  readonly blocksPerRow: number;
  /** Group of each block, row by row. */
  readonly groups: Uint16Array;
}

/**
 * Section 3.6.2, distance_map: columns to the left and rows up of the pixel that each distance code from 1 to 120
 * means.
 */
const nearbyLeft = Int8Array.of(
  ...[0, 1, 1, -1, 0, 2, 1, -1, 2, -2, 2, -2, 0, 3, 1, -1, 3, -3, 2, -2, 3, -3, 0, 4],
  ...[1, -1, 4, -4, 3, -3, 2, -2, 4, -4, 0, 3, -3, 4, -4, 5, 1, -1, 5, -5, 2, -2, 5, -5],
  ...[4, -4, 3, -3, 5, -5, 0, 6, 1, -1, 6, -6, 2, -2, 6, -6, 4, -4, 5, -5, 3, -3, 6, -6],
  ...[0, 7, 1, -1, 5, -5, 7, -7, 4, -4, 6, -6, 2, -2, 7, -7, 3, -3, 7, -7, 5, -5, 6, -6],
  ...[8, 4, -4, 7, -7, 8, 8, 6, -6, 8, 5, -5, 7, -7, 8, 6, -6, 7, -7, 8, 7, -7, 8, 8],
);
const nearbyUp = Int8Array.of(
  ...[1, 0, 1, 1, 2, 0, 2, 2, 1, 1, 2, 2, 3, 0, 3, 3, 1, 1, 3, 3, 2, 2, 4, 0],
  ...[4, 4, 1, 1, 3, 3, 4, 4, 2, 2, 5, 4, 4, 3, 3, 0, 5, 5, 1, 1, 5, 5, 2, 2],
  ...[4, 4, 5, 5, 3, 3, 6, 0, 6, 6, 1, 1, 6, 6, 2, 2, 5, 5, 4, 4, 6, 6, 3, 3],
  ...[7, 0, 7, 7, 5, 5, 1, 1, 6, 6, 4, 4, 7, 7, 2, 2, 7, 7, 3, 3, 6, 6, 5, 5],
  ...[0, 7, 7, 4, 4, 1, 2, 6, 6, 3, 7, 7, 5, 5, 4, 7, 7, 6, 6, 5, 7, 7, 6, 7],
);

/** Multiplier of the colour cache's hash (section 3.6.2). */
const hashMultiplier = 0x1e35a7bd;

/** Reads the pixels of one image, in order. */
export class PixelReader {
  /** Pixels read so far. */
  position = 0;
  readonly #reader: BitReader;
  readonly #width: number;
  readonly #pixels: number;
  readonly #codes: PrefixCodes;
  readonly #map: GroupMap | undefined;
  readonly #window: Int32Array;
  readonly #cache: Int32Array;
  readonly #cacheBits: number;

  /**
   * @param map undefined if there is one group
   * @param window receives pixel i as ARGB at index i & (length - 1); the length is a power of two
   * @param cache at least 1 << cacheBits colours
   * @param cacheBits 0 if the image has no colour cache
   */
  constructor(
    reader: BitReader,
    { width, height }: Size,
    codes: PrefixCodes,
    map: GroupMap | undefined,
    window: Int32Array,
    cache: Int32Array,
    cacheBits: number,
  ) {
    this.#reader = reader;
    this.#width = width;
    this.#pixels = width * height;
    this.#codes = codes;
    this.#map = map;
    this.#window = window;
    this.#cache = cache;
    this.#cacheBits = cacheBits;
    cache.fill(0);
  }

  /**
   * Reads at least up to pixel `target`. A copy can go up to 4,095 pixels beyond, but not beyond the image.
   * @throws ClassifierError image_undecodable
   */
  readTo(target: number): void {
    const reader = this.#reader;
    const { entries, starts, masks } = this.#codes;
    const window = this.#window;
    const windowMask = window.length - 1;
    const cache = this.#cache;
    const cacheShift = 32 - this.#cacheBits;
    const hasCache = this.#cacheBits > 0;
    let position = this.position;
    /** Index of the current group's first code, and the pixel at which another group can begin. */
    let code = 0;
    let groupEnd = position;
    /** Whether red, blue and alpha of all literals of the group are the same, so that they take no bits, and these. */
    let isGreenOnly = false;
    let others = 0;
    while (position < target) {
      if (position >= groupEnd) {
        code = codesPerGroup * this.#groupAt(position);
        groupEnd = this.#groupEnd(position);
        isGreenOnly = (masks[code + 1]! | masks[code + 2]! | masks[code + 3]!) === 0;
        others = isGreenOnly ? this.#firstLiteral(code) : 0;
      }
      const symbol = reader.symbol(entries, starts[code]!, masks[code]!);
      if (symbol >= literals && symbol < literals + lengthCodes) {
        const length = reader.prefixed(symbol - literals);
        const distanceCode = reader.symbol(entries, starts[code + 4]!, masks[code + 4]!);
        this.#copy(position, length, this.#distance(reader.prefixed(distanceCode)));
        position += length;
        continue;
      }
      let argb = 0;
      if (symbol < literals && isGreenOnly) {
        argb = others | (symbol << 8);
      } else if (symbol < literals) {
        const red = reader.symbol(entries, starts[code + 1]!, masks[code + 1]!);
        const blue = reader.symbol(entries, starts[code + 2]!, masks[code + 2]!);
        const alpha = reader.symbol(entries, starts[code + 3]!, masks[code + 3]!);
        argb = (alpha << 24) | (red << 16) | (symbol << 8) | blue;
      } else {
        argb = cache[symbol - literals - lengthCodes]!;
      }
      window[position & windowMask] = argb;
      if (hasCache) cache[Math.imul(hashMultiplier, argb) >>> cacheShift] = argb;
      position++;
    }
    this.position = position;
  }

  /** Red, blue and alpha of the first entries of their tables. */
  #firstLiteral(code: number): number {
    const { entries, starts } = this.#codes;
    const red = entries[starts[code + 1]!]! >> 4;
    const blue = entries[starts[code + 2]!]! >> 4;
    const alpha = entries[starts[code + 3]!]! >> 4;
    return (alpha << 24) | (red << 16) | blue;
  }

  #groupAt(position: number): number {
    if (!this.#map) return 0;
    const { bits, blocksPerRow, groups } = this.#map;
    const y = Math.floor(position / this.#width);
    const x = position - y * this.#width;
    return groups[(y >> bits) * blocksPerRow + (x >> bits)]!;
  }

  /**
   * The first pixel after `position` that can be in another group: the end of the block's row or of the image's row.
   */
  #groupEnd(position: number): number {
    if (!this.#map) return this.#pixels;
    const x = position % this.#width;
    const blockEnd = ((x >> this.#map.bits) + 1) << this.#map.bits;
    return position - x + Math.min(blockEnd, this.#width);
  }

  /** Section 3.6.2: the distance in pixels that a distance value means. */
  #distance(value: number): number {
    if (value > nearbyUp.length) return value - nearbyUp.length;
    return Math.max(1, nearbyUp[value - 1]! * this.#width + nearbyLeft[value - 1]!);
  }

  #copy(position: number, length: number, distance: number): void {
    if (distance > position || position + length > this.#pixels) {
      throw undecodable("its VP8L data copies pixels from outside the image");
    }
    const window = this.#window;
    const windowMask = window.length - 1;
    const cache = this.#cache;
    const cacheShift = 32 - this.#cacheBits;
    const hasCache = this.#cacheBits > 0;
    for (let to = position; to < position + length; to++) {
      const argb = window[(to - distance) & windowMask]!;
      window[to & windowMask] = argb;
      if (hasCache) cache[Math.imul(hashMultiplier, argb) >>> cacheShift] = argb;
    }
  }
}

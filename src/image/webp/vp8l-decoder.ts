/** Decodes a VP8L image row by row (RFC 9649, section 3). */

import { undecodable } from "../../errors.ts";
import type { Size } from "../rgb-image.ts";
import type { DecodeMemory } from "./decode-memory.ts";
import { BitReader } from "./vp8l-bit-reader.ts";
import { type GroupMap, PixelReader, windowPixels } from "./vp8l-pixels.ts";
import { maxCacheBits, readPrefixCodes } from "./vp8l-prefix-codes.ts";
import {
  addPixels,
  blockCount,
  ColourIndexing,
  ColourTransform,
  colourBundleBits,
  Predictor,
  SubtractGreen,
  type Transform,
  TransformType,
} from "./vp8l-transforms.ts";

/** Signature, size, alpha and version (section 3.4). */
const headerBytes = 5;

/**
 * Reads the size from the header of a VP8L chunk.
 * @throws ClassifierError image_undecodable
 */
export function vp8lSize(data: Uint8Array): Size {
  if (data.length < headerBytes) throw undecodable("its VP8L data ends inside the header");
  if (data[0] !== 0x2f) throw undecodable("its VP8L data has no signature");
  const version = data[4]! >> 5;
  if (version !== 0) throw undecodable(`its VP8L version is ${version}; expected 0`);
  const bits = data[1]! | (data[2]! << 8) | (data[3]! << 16) | (data[4]! << 24);
  return { width: 1 + (bits & 0x3fff), height: 1 + ((bits >> 14) & 0x3fff) };
}

/** Whether the header of a VP8L chunk says that pixels can be transparent. */
export function vp8lHasAlpha(data: Uint8Array): boolean {
  return (data[4]! & 0x10) !== 0;
}

/** Returns a decoder of a VP8L chunk. It can throw like the constructor of Vp8lDecoder. */
export function vp8lDecoder(data: Uint8Array, memory: DecodeMemory): Vp8lDecoder {
  return new Vp8lDecoder(new BitReader(data, headerBytes), vp8lSize(data), memory);
}

/** Bytes that a Vp8lDecoder allocates besides transforms and prefix codes, whose size the header does not tell. */
export function vp8lLeastCostBytes({ width, height }: Size): number {
  return 4 * (windowPixels(width * height) + (1 << maxCacheBits) + width);
}

/** The rows of an image. */
export class Vp8lDecoder {
  readonly #pixels: PixelReader;
  /** Pixels of a row as they are coded: several indices of a colour table can be in one. */
  readonly #codedWidth: number;
  readonly #codedPixels: number;
  /** In the order in which they are read. They are inverted in reverse. */
  readonly #transforms: readonly Transform[];
  /** The last pixels that were read, at their position modulo the length: the distance of copies is limited. */
  readonly #window: Int32Array;
  readonly #row: Int32Array;
  #rowsRead = 0;

  /**
   * Reads everything before the pixels.
   * @param reader at the first transform
   * @throws ClassifierError image_undecodable; image_too_large (decode_bytes)
   */
  constructor(reader: BitReader, size: Size, memory: DecodeMemory) {
    const { width, height } = size;
    this.#window = memory.allocate(Int32Array, windowPixels(width * height));
    this.#row = memory.allocate(Int32Array, width);
    const stream = new ImageStream(reader, this.#window, memory);
    const transforms: Transform[] = [];
    let codedWidth = width;
    for (let seen = 0; reader.read(1) === 1; ) {
      const type = reader.read(2);
      if ((seen & (1 << type)) !== 0) throw undecodable(`its VP8L data has transform ${type} twice`);
      seen |= 1 << type;
      if (type === TransformType.colourIndexing) {
        const colours = 1 + reader.read(8);
        transforms.push(stream.readColourTable(codedWidth, colours));
        codedWidth = blockCount(codedWidth, colourBundleBits(colours));
      } else {
        transforms.push(stream.readTransform(type, { width: codedWidth, height }));
      }
    }
    this.#transforms = transforms;
    this.#codedWidth = codedWidth;
    this.#codedPixels = codedWidth * height;
    this.#pixels = stream.readMainImage({ width: codedWidth, height });
  }

  /**
   * Returns the next row: ARGB, valid until the next call.
   * @throws ClassifierError image_undecodable
   */
  nextRow(): Int32Array {
    const row = this.#row;
    const window = this.#window;
    const start = this.#rowsRead * this.#codedWidth;
    const end = start + this.#codedWidth;
    this.#pixels.readTo(end);
    const windowMask = window.length - 1;
    for (let i = start; i < end; i++) row[i - start] = window[i & windowMask]!;
    for (let i = this.#transforms.length - 1; i >= 0; i--) this.#transforms[i]!.invert(row, this.#rowsRead);
    this.#rowsRead++;
    return row;
  }

  /**
   * Reads the rest of the pixels, so that broken or missing data is refused.
   * @throws ClassifierError image_undecodable
   */
  finish(): void {
    this.#pixels.readTo(this.#codedPixels);
  }
}

/** The images of a stream: those that belong to transforms, the one that assigns groups, and the main image. */
class ImageStream {
  readonly #reader: BitReader;
  readonly #window: Int32Array;
  readonly #cache: Int32Array;
  readonly #memory: DecodeMemory;

  /** @param window all images use it, one after the other */
  constructor(reader: BitReader, window: Int32Array, memory: DecodeMemory) {
    this.#reader = reader;
    this.#window = window;
    this.#cache = memory.allocate(Int32Array, 1 << maxCacheBits);
    this.#memory = memory;
  }

  /** Reads a transform other than colour indexing (sections 3.5.1 to 3.5.3). */
  readTransform(type: number, { width, height }: Size): Transform {
    if (type === TransformType.subtractGreen) return new SubtractGreen(width);
    const bits = 2 + this.#reader.read(3);
    const blocks = { width: blockCount(width, bits), height: blockCount(height, bits) };
    if (type === TransformType.colour) {
      const factors = this.#memory.allocate(Int32Array, blocks.width * blocks.height);
      this.#readImage(blocks, (i, argb) => {
        factors[i] = argb;
      });
      return new ColourTransform(width, bits, factors);
    }
    const modes = this.#memory.allocate(Uint8Array, blocks.width * blocks.height);
    this.#readImage(blocks, (i, argb) => {
      modes[i] = (argb >> 8) & 15;
    });
    return new Predictor(width, bits, modes, this.#memory);
  }

  /** Section 3.5.4: each colour is coded as the difference from the one before. */
  readColourTable(width: number, colours: number): Transform {
    const table = this.#memory.allocate(Int32Array, 256);
    let previous = 0;
    this.#readImage({ width: colours, height: 1 }, (i, argb) => {
      previous = addPixels(previous, argb);
      table[i] = previous;
    });
    return new ColourIndexing(width, colourBundleBits(colours), table);
  }

  /** Sections 3.6.2 and 3.7.2: colour cache, groups of prefix codes; the pixels follow. */
  readMainImage(size: Size): PixelReader {
    const cacheBits = this.#readCacheBits();
    const map = this.#reader.read(1) === 1 ? this.#readGroupMap(size) : undefined;
    return this.#pixels(size, cacheBits, map);
  }

  #readGroupMap({ width, height }: Size): GroupMap {
    const bits = 2 + this.#reader.read(3);
    const blocks = { width: blockCount(width, bits), height: blockCount(height, bits) };
    const groups = this.#memory.allocate(Uint16Array, blocks.width * blocks.height);
    this.#readImage(blocks, (i, argb) => {
      groups[i] = (argb >> 8) & 0xffff;
    });
    return { bits, blocksPerRow: blocks.width, groups };
  }

  /** Reads a whole image and passes its pixels on in order. */
  #readImage(size: Size, store: (index: number, argb: number) => void): void {
    const pixels = this.#pixels(size, this.#readCacheBits(), undefined);
    const windowMask = this.#window.length - 1;
    for (let i = 0; i < size.width * size.height; i++) {
      if (i === pixels.position) pixels.readTo(i + 1);
      store(i, this.#window[i & windowMask]!);
    }
  }

  #readCacheBits(): number {
    if (this.#reader.read(1) === 0) return 0;
    const bits = this.#reader.read(4);
    if (bits < 1 || bits > maxCacheBits) {
      throw undecodable(`its VP8L data has a colour cache of ${bits} bits; expected 1 to ${maxCacheBits}`);
    }
    return bits;
  }

  #pixels(size: Size, cacheBits: number, map: GroupMap | undefined): PixelReader {
    const isUsed = this.#usedGroups(map);
    const codes = readPrefixCodes(this.#reader, isUsed, cacheBits > 0 ? 1 << cacheBits : 0, this.#memory);
    return new PixelReader(this.#reader, size, codes, map, this.#window, this.#cache, cacheBits);
  }

  /** The groups go up to the largest one that a block names. Some can be unused. */
  #usedGroups(map: GroupMap | undefined): Uint8Array {
    let largest = 0;
    for (const group of map?.groups ?? []) largest = Math.max(largest, group);
    const isUsed = this.#memory.allocate(Uint8Array, largest + 1);
    if (!map) isUsed[0] = 1;
    else for (const group of map.groups) isUsed[group] = 1;
    return isUsed;
  }
}

/** The alpha channel of a lossy image, row by row (RFC 9649, section 2.7.1.2, ALPH). */

import { undecodable } from "../../errors.ts";
import type { Size } from "../rgb-image.ts";
import type { DecodeMemory } from "./decode-memory.ts";
import { BitReader } from "./vp8l-bit-reader.ts";
import { Vp8lDecoder, vp8lLeastCostBytes } from "./vp8l-decoder.ts";

const Compression = { none: 0, lossless: 1 } as const;
const Filter = { none: 0, horizontal: 1, vertical: 2, gradient: 3 } as const;

/** Bytes that an AlphaReader allocates: exact without compression, otherwise without transforms and prefix codes. */
export function alphaLeastCostBytes(chunk: Uint8Array, size: Size): number {
  const isCompressed = (chunk[0]! & 3) === Compression.lossless;
  return size.width + (isCompressed ? vp8lLeastCostBytes(size) : 0);
}

/** Reads an ALPH chunk. Ignores its reserved bits and the hint about pre-processing. */
export class AlphaReader {
  readonly #width: number;
  readonly #chunk: Uint8Array;
  readonly #filter: number;
  /** Undefined if the values are stored without compression. Otherwise they are its green channel. */
  readonly #decoder: Vp8lDecoder | undefined;
  readonly #row: Uint8Array;
  #rowsRead = 0;

  /** @throws ClassifierError image_undecodable; image_too_large (decode_bytes) */
  constructor(chunk: Uint8Array, size: Size, memory: DecodeMemory) {
    if (chunk.length === 0) throw undecodable("its alpha channel is empty");
    const compression = chunk[0]! & 3;
    if (compression !== Compression.none && compression !== Compression.lossless) {
      throw undecodable(`its alpha channel has compression method ${compression}; expected 0 or 1`);
    }
    this.#width = size.width;
    this.#chunk = chunk;
    this.#filter = (chunk[0]! >> 2) & 3;
    this.#row = memory.allocate(Uint8Array, size.width);
    if (compression === Compression.lossless) {
      this.#decoder = new Vp8lDecoder(new BitReader(chunk, 1), size, memory);
    } else if (chunk.length - 1 < size.width * size.height) {
      throw undecodable(`its alpha channel has ${chunk.length - 1} of ${size.width * size.height} bytes`);
    }
  }

  /**
   * Returns row `y`, 255 for opaque; valid until the next call. Rows can be skipped, but must be read from the top
   * down.
   * @throws ClassifierError image_undecodable
   */
  row(y: number): Uint8Array {
    for (; this.#rowsRead <= y; this.#rowsRead++) {
      const above = this.#row;
      const filtered = this.#decoder?.nextRow();
      let at = 1 + this.#rowsRead * this.#width;
      let corner = 0;
      let left = 0;
      for (let x = 0; x < this.#width; x++) {
        const value = filtered ? filtered[x]! >> 8 : this.#chunk[at++]!;
        const prediction = this.#predicted(x, left, above[x]!, corner);
        corner = above[x]!;
        left = (value + prediction) & 255;
        above[x] = left;
      }
    }
    return this.#row;
  }

  /**
   * Reads the rest of the chunk, so that broken or missing data is refused.
   * @throws ClassifierError image_undecodable
   */
  finish(): void {
    this.#decoder?.finish();
  }

  /** The first row is predicted from the left, the first column from above, the first pixel is 0. */
  #predicted(x: number, left: number, above: number, corner: number): number {
    const filter = this.#filter;
    if (filter === Filter.none) return 0;
    if (this.#rowsRead === 0) return left;
    if (x === 0 || filter === Filter.vertical) return above;
    if (filter === Filter.horizontal) return left;
    return Math.min(Math.max(left + above - corner, 0), 255);
  }
}

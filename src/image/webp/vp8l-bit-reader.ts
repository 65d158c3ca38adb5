/** Reads the bits of a VP8L stream, the lowest bit of each byte first (RFC 9649, section 3). */
import { undecodable } from "../../errors.ts";

/**
 * A code of up to this many bits needs one look-up, a longer one needs two: see PrefixCodes in vp8l-prefix-codes.ts.
 */
export const rootBits = 8;

/** A position in a VP8L stream. */
export class BitReader {
  readonly #bytes: Uint8Array;
  #at: number;
  /** The low #count bits come next. The others are 0. At most 30, so that V8 stores the number without an object. */
  #bits = 0;
  #count = 0;

  /** Reads from index `at` to the end. */
  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  /** Returns another reader at the same position. */
  copy(): BitReader {
    const copy = new BitReader(this.#bytes, this.#at);
    copy.#bits = this.#bits;
    copy.#count = this.#count;
    return copy;
  }

  /**
   * Reads the next `length` bits, 0 to 23.
   * @throws ClassifierError image_undecodable, if the stream ends before them, as all methods do
   */
  read(length: number): number {
    this.#fill();
    const value = this.#bits & ((1 << length) - 1);
    this.#skip(length);
    return value;
  }

  /**
   * Reads the next symbol of a prefix code.
   * @param entries as in PrefixCodes
   * @param start index of the code's first table
   * @param mask selects the bits that index it
   */
  symbol(entries: Uint16Array, start: number, mask: number): number {
    if (this.#count <= 15) this.#fill();
    let entry = entries[start + (this.#bits & mask)]!;
    if ((entry & 15) > rootBits) {
      const secondMask = (1 << ((entry & 15) - rootBits)) - 1;
      entry = entries[start + (entry >> 4) + ((this.#bits >> rootBits) & secondMask)]!;
    }
    this.#skip(entry & 15);
    return entry >> 4;
  }

  /** Reads the bits that follow the prefix symbol of a length or a distance (section 3.6.2). Returns the value. */
  prefixed(symbol: number): number {
    if (symbol < 4) return symbol + 1;
    const extraBits = (symbol - 2) >> 1;
    return ((2 + (symbol & 1)) << extraBits) + this.read(extraBits) + 1;
  }

  /** Adds bytes until at least 23 bits are there, or the stream ends. */
  #fill(): void {
    while (this.#count <= 22 && this.#at < this.#bytes.length) {
      this.#bits |= this.#bytes[this.#at++]! << this.#count;
      this.#count += 8;
    }
  }

  #skip(length: number): void {
    if (length > this.#count) throw undecodable("its VP8L data ends too early");
    this.#bits >>= length;
    this.#count -= length;
  }
}

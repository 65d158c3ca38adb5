/** The arithmetic decoder of VP8 (RFC 6386, section 7), and what it reads: literals, trees and DCT coefficients. */
import { coefficientBands, coefficientTree, extraBits, zigzag } from "./vp8-tables.ts";

/** Reads one partition. Its state is section 7.3's, with up to 16 more bits of the data in `value`. */
export class BoolDecoder {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;
  /** Length of the current interval, 128 to 255. */
  #range = 255;
  /** The data minus the interval's lower end: 8 bits, which compare with the range, and #spare bits after them. */
  #value = 0;
  /** Negative if bits are missing. */
  #spare = -8;
  /**
   * Whether more bits were needed than the partition has. They are zeros. Like libwebp, the decoder refuses such a file
   * at the end of the macroblock.
   */
  isExhausted = false;

  /** Reads [start, end) of `bytes`. */
  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  /** Reads one bool that is 0 with the given probability, in parts of 256. */
  bool(probability: number): number {
    if (this.#spare < 0) this.#fill();
    const split = 1 + (((this.#range - 1) * probability) >> 8);
    const scaledSplit = split << this.#spare;
    let range = split;
    let bit = 0;
    if (this.#value >= scaledSplit) {
      this.#value -= scaledSplit;
      range = this.#range - split;
      bit = 1;
    }
    const shift = Math.clz32(range) - 24;
    this.#range = range << shift;
    this.#spare -= shift;
    return bit;
  }

  /** Reads a flag: a bool of probability 1/2. */
  flag(): boolean {
    return this.bool(128) === 1;
  }

  /** Reads an unsigned number, its highest bit first. */
  literal(bits: number): number {
    let value = 0;
    for (let i = 0; i < bits; i++) value = (value << 1) | this.bool(128);
    return value;
  }

  /** Reads a magnitude of `bits` bits and a sign. */
  signed(bits: number): number {
    const magnitude = this.literal(bits);
    return this.flag() ? -magnitude : magnitude;
  }

  /** Reads a flag and, if it is set, a signed number of `bits` bits. Otherwise returns 0. */
  optionalSigned(bits: number): number {
    return this.flag() ? this.signed(bits) : 0;
  }

  /**
   * Reads a value with a tree (section 8.1).
   * @param tree pairs of branches: the index of a pair, or the negative of a value
   * @param probabilities one per pair, from index `at`
   */
  tree(tree: Int8Array, probabilities: Uint8Array, at: number): number {
    let node = 0;
    do node = tree[node + this.bool(probabilities[at + (node >> 1)]!)]!;
    while (node > 0);
    return Math.abs(node);
  }

  /**
   * Reads the coefficients of a block (section 13) and multiplies them by their factors.
   * @param probabilities [band][context][node], from index `plane`
   * @param context number of neighbours, above and to the left, that have coefficients
   * @param first index of the first coefficient, 0 or 1
   * @param out receives the products, row by row, from index `at`; it holds zeros
   * @returns the index after the last coefficient that was read, `first` if there is none
   */
  coefficients(
    probabilities: Uint8Array,
    plane: number,
    context: number,
    first: number,
    dcFactor: number,
    acFactor: number,
    out: Int16Array,
    at: number,
  ): number {
    let row = plane + coefficientBands[first]! + context * 11;
    let afterZero = false;
    for (let i = first; i < 16; i++) {
      // No end of block follows a zero, so the tree then begins at its second node.
      let node = afterZero ? 2 : 0;
      do node = coefficientTree[node + this.bool(probabilities[row + (node >> 1)]!)]!;
      while (node > 0);
      const band = plane + coefficientBands[i + 1]!;
      const token = Math.abs(node);
      if (token === 11) return i;
      afterZero = token === 0;
      if (afterZero) {
        row = band;
        continue;
      }
      let magnitude = token;
      if (token > 4) {
        const { base, probabilities: bits } = extraBits[token - 5]!;
        let extra = 0;
        for (let bit = 0; bit < bits.length; bit++) extra = (extra << 1) | this.bool(bits[bit]!);
        magnitude = base + extra;
      }
      row = band + (magnitude === 1 ? 11 : 22);
      const factor = i === 0 ? dcFactor : acFactor;
      out[at + zigzag[i]!] = (this.bool(128) === 1 ? -magnitude : magnitude) * factor;
    }
    return 16;
  }

  #fill(): void {
    if (this.#at + 1 < this.#end) {
      this.#value = (this.#value << 16) | (this.#bytes[this.#at]! << 8) | this.#bytes[this.#at + 1]!;
      this.#at += 2;
      this.#spare += 16;
      return;
    }
    this.#value <<= 8;
    this.#spare += 8;
    if (this.#at < this.#end) this.#value |= this.#bytes[this.#at++]!;
    else this.isExhausted = true;
  }
}

/** Reads entropy-coded data bit by bit: Huffman codes and the bits behind them (ITU-T T.81, F.2.2). Pure. */
import { Marker, undecodable } from "./jpeg-segments.ts";
import type { HuffmanTable } from "./jpeg-tables.ts";

/** Codes of up to so many bits are looked up at once; nearly all are. */
const lookupBits = 9;

/** A Huffman table made ready for decoding (T.81 F.2.2.3). */
export class HuffmanDecoder {
  /** By the next lookupBits bits: code length << 8 | symbol; 0 where the code is longer or there is none. */
  readonly lookup = new Uint16Array(1 << lookupBits);
  /** By code length, 1 to 16: the largest code, -1 where there is none; and what a code adds to reach its symbol. */
  readonly maxCode = new Int32Array(17).fill(-1);
  readonly offset = new Int32Array(17);
  readonly symbols: Uint8Array;

  constructor({ counts, symbols }: HuffmanTable) {
    this.symbols = symbols;
    let code = 0;
    let index = 0;
    for (let length = 1; length <= 16; length++) {
      const count = counts[length - 1]!;
      this.offset[length] = index - code;
      if (count > 0) this.maxCode[length] = code + count - 1;
      for (let i = 0; i < count && length <= lookupBits; i++) {
        const first = (code + i) << (lookupBits - length);
        const entry = (length << 8) | symbols[index + i]!;
        this.lookup.fill(entry, first, first + (1 << (lookupBits - length)));
      }
      code = (code + count) << 1;
      index += count;
    }
  }
}

/** Coefficients of a block. */
const blockLength = 64;

/** Bits that are looked up at once to pass over AC coefficients: two or three of them, mostly. */
const skipBits = 11;
const skipMask = (1 << skipBits) - 1;
/** Of a step: the block ends with it. */
const endsBlock = 1 << 16;

/** What passing over AC coefficients needs of a table: T.81 F.2.2.2, with nothing kept. */
export class AcSkipper {
  readonly huffman: HuffmanDecoder;
  /**
   * By the next skipBits bits: endsBlock, coefficients << 8, bits of the codes and of the values behind them; of as many codes
   * as these bits hold whole; the last value may go beyond them. 0 where the first code is longer than lookupBits.
   */
  readonly steps = new Int32Array(1 << skipBits);

  constructor(table: HuffmanTable) {
    this.huffman = new HuffmanDecoder(table);
    for (let bits = 0; bits <= skipMask; bits++) this.steps[bits] = this.#steps(bits);
  }

  #steps(bits: number): number {
    let all = 0;
    for (;;) {
      const used = all & 255;
      const entry = this.huffman.lookup[((bits << used) & skipMask) >> (skipBits - lookupBits)]!;
      // Behind the known bits stand zeros, which may look like a code.
      if (entry === 0 || used + (entry >> 8) > skipBits) return all;
      all += skipStep(entry & 255, entry >> 8);
      if ((all & endsBlock) !== 0 || (all & 255) >= skipBits) return all;
    }
  }
}

/** The step of one symbol, whose code has `codeBits`. */
function skipStep(symbol: number, codeBits: number): number {
  const size = symbol & 15;
  if (size === 0 && symbol !== 0xf0) return endsBlock | codeBits;
  return (((symbol >> 4) + 1) << 8) | (codeBits + size);
}

export class EntropyReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;
  /** The low #count bits of #bits are the next ones. */
  #bits = 0;
  #count = 0;

  /** Entropy-coded data [start, end) of `bytes`. */
  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  /** The next `length` bits, 0 to 16. Throws image_undecodable where the data ends first, as all below. */
  bits(length: number): number {
    if (this.#count < length) this.#fill();
    if (this.#count < length) throw undecodable("its image data ends too early");
    this.#count -= length;
    return (this.#bits >>> this.#count) & ((1 << length) - 1);
  }

  /** A signed number of `length` bits (T.81 F.2.2.1, EXTEND): the upper half is positive. */
  signed(length: number): number {
    if (length === 0) return 0;
    const value = this.bits(length);
    return value >= 1 << (length - 1) ? value : value - (1 << length) + 1;
  }

  /** The symbol of the next code. */
  symbol(table: HuffmanDecoder): number {
    if (this.#count < 16) this.#fill();
    if (this.#count >= lookupBits) {
      const next = (this.#bits >>> (this.#count - lookupBits)) & ((1 << lookupBits) - 1);
      const entry = table.lookup[next]!;
      if (entry !== 0) {
        this.#count -= entry >> 8;
        return entry & 255;
      }
    }
    return this.#longSymbol(table);
  }

  /**
   * Passes over the 63 AC coefficients of a block. The one loop that a large file spends its time in, hence the local
   * copies.
   */
  skipAc({ steps, huffman }: AcSkipper): void {
    const bytes = this.#bytes;
    let bits = this.#bits;
    let count = this.#count;
    let at = this.#at;
    for (let k = 1; k < blockLength; ) {
      while (count <= 24 && at < this.#end) {
        const byte = bytes[at]!;
        if (byte === 0xff) {
          if (bytes[at + 1] !== 0) break;
          at++;
        }
        at++;
        bits = (bits << 8) | byte;
        count += 8;
      }
      let step = count >= skipBits ? steps[(bits >>> (count - skipBits)) & skipMask]! : 0;
      if (step === 0 || (step & 255) > count || k + ((step >> 8) & 255) >= blockLength) {
        // A long code, the end of the data, or several codes of which the last may be the next block's: one, the slow way.
        this.#bits = bits;
        this.#count = count;
        this.#at = at;
        step = skipStep(this.symbol(huffman), 0);
        this.bits(step & 255);
        bits = this.#bits;
        count = this.#count;
        at = this.#at;
      } else {
        count -= step & 255;
      }
      if ((step & endsBlock) !== 0) break;
      k += (step >> 8) & 255;
    }
    this.#bits = bits;
    this.#count = count;
    this.#at = at;
  }

  /** Drops what is left of this interval and moves behind the next RSTn marker, of which checkJpeg counted enough. */
  restart(): void {
    this.#bits = 0;
    this.#count = 0;
    for (let at = this.#bytes.indexOf(0xff, this.#at); at >= 0 && at < this.#end; ) {
      const next = this.#bytes[at + 1]!;
      if (next >= Marker.RST0 && next <= Marker.RST7) {
        this.#at = at + 2;
        return;
      }
      at = this.#bytes.indexOf(0xff, at + 1);
    }
    throw undecodable("its image data ends too early");
  }

  #longSymbol(table: HuffmanDecoder): number {
    for (let length = 1; length <= 16 && length <= this.#count; length++) {
      const code = (this.#bits >>> (this.#count - length)) & ((1 << length) - 1);
      if (code <= table.maxCode[length]!) {
        this.#count -= length;
        return table.symbols[code + table.offset[length]!]!;
      }
    }
    if (this.#count < 16) throw undecodable("its image data ends too early");
    throw undecodable("its compressed data is broken (no such Huffman code)");
  }

  /** Up to 24 bits more; FF 00 stands for FF, and any other marker ends the data. */
  #fill(): void {
    while (this.#count <= 16 && this.#at < this.#end) {
      const byte = this.#bytes[this.#at]!;
      if (byte === 0xff) {
        if (this.#bytes[this.#at + 1] !== 0) return;
        this.#at++;
      }
      this.#at++;
      this.#bits = (this.#bits << 8) | byte;
      this.#count += 8;
    }
  }
}

/** Reads entropy-coded data bit by bit: Huffman codes and the values after them (ITU-T T.81, F.2.2). */
import { undecodable } from "../../errors.ts";
import { Marker } from "./header.ts";
import type { HuffmanTable } from "./scans.ts";

/** Coefficients of a block. */
const blockLength = 64;

/**
 * Index in a block, row by row, of the n-th coefficient in zigzag order (T.81 figure A.6). Broken data can count up to 15
 * coefficients beyond the block; as in libjpeg, these map to the last one.
 */
export const zigzag: Uint8Array = zigzagOrder();

function zigzagOrder(): Uint8Array {
  const order = new Uint8Array(blockLength + 16).fill(blockLength - 1);
  let at = 0;
  for (let diagonal = 0; diagonal < 15; diagonal++) {
    const from = Math.max(0, diagonal - 7);
    const to = Math.min(7, diagonal);
    for (let i = from; i <= to; i++) {
      const row = diagonal % 2 === 0 ? diagonal - i : i;
      order[at++] = row * 8 + (diagonal - row);
    }
  }
  return order;
}

/** Codes of up to this many bits need one look-up. Nearly all codes are that short. */
const lookupBits = 9;

/** A Huffman table prepared for decoding (T.81 F.2.2.3). */
export class HuffmanDecoder {
  /** Indexed by the next lookupBits bits: code length << 8 | symbol. 0 if the code is longer or does not exist. */
  readonly lookup = new Uint16Array(1 << lookupBits);
  /** Indexed by code length, 1 to 16: the largest code, or -1. */
  readonly maxCode = new Int32Array(17).fill(-1);
  /** Indexed by code length: what to add to a code to get the index of its symbol. */
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

/** Bits that look up a code together with its value. */
const valueBits = 10;
const valueMask = (1 << valueBits) - 1;

/** Bits that skipAc uses to look up several codes and values at once, on average two or three. */
const skipBits = 11;
const skipMask = (1 << skipBits) - 1;
/** Flag of a skip entry: the block ends after it. */
const endsBlock = 1 << 16;

/** An AC table prepared for sequential blocks (T.81 F.2.2.2): `values` to read coefficients, `steps` to skip them. */
export class AcDecoder {
  readonly huffman: HuffmanDecoder;
  /**
   * Indexed by the next valueBits bits: value << 16 | coefficients to advance << 8 | bits of code and value. 0 if these need
   * more bits. An end of block advances by 64 with value 0; a run of 16 zeros advances by 16 with value 0.
   */
  readonly values = new Int32Array(1 << valueBits);
  /**
   * Indexed by the next skipBits bits, for all codes that these bits contain completely (the last value may be longer):
   * endsBlock | coefficients to advance << 8 | bits of codes and values. 0 if the first code is longer than lookupBits.
   */
  readonly steps = new Int32Array(1 << skipBits);

  constructor(table: HuffmanTable) {
    this.huffman = new HuffmanDecoder(table);
    for (let bits = 0; bits <= valueMask; bits++) this.values[bits] = this.#value(bits);
    for (let bits = 0; bits <= skipMask; bits++) this.steps[bits] = this.#steps(bits);
  }

  #value(bits: number): number {
    const entry = this.huffman.lookup[bits >> (valueBits - lookupBits)]!;
    if (entry === 0) return 0;
    const symbol = entry & 255;
    const codeBits = entry >> 8;
    const size = symbol & 15;
    if (size === 0) return ((symbol === 0xf0 ? 16 : blockLength) << 8) | codeBits;
    if (codeBits + size > valueBits) return 0;
    const raw = (bits >> (valueBits - codeBits - size)) & ((1 << size) - 1);
    return (extended(raw, size) << 16) | (((symbol >> 4) + 1) << 8) | (codeBits + size);
  }

  #steps(bits: number): number {
    let all = 0;
    for (;;) {
      const used = all & 255;
      const entry = this.huffman.lookup[((bits << used) & skipMask) >> (skipBits - lookupBits)]!;
      // The zeros after the known bits can look like a code.
      if (entry === 0 || used + (entry >> 8) > skipBits) return all;
      all += skipStep(entry & 255, entry >> 8);
      if ((all & endsBlock) !== 0 || (all & 255) >= skipBits) return all;
    }
  }
}

/** The skip entry of one symbol whose code has `codeBits` bits. */
function skipStep(symbol: number, codeBits: number): number {
  const size = symbol & 15;
  if (size === 0 && symbol !== 0xf0) return endsBlock | codeBits;
  return (((symbol >> 4) + 1) << 8) | (codeBits + size);
}

/** The signed number that `size` raw bits encode (T.81 F.2.2.1, EXTEND): the upper half is positive. */
function extended(raw: number, size: number): number {
  return raw >= 1 << (size - 1) ? raw : raw - (1 << size) + 1;
}

/** Bytes of the arrays of a HuffmanDecoder. */
export const huffmanDecoderBytes = 2 * (1 << lookupBits) + 2 * 4 * 17;
/** Bytes of the arrays of an AcDecoder. */
export const acDecoderBytes = huffmanDecoderBytes + 4 * (1 << valueBits) + 4 * (1 << skipBits);

/** A position in entropy-coded data. Every method throws ClassifierError image_undecodable if the data ends too early. */
export class EntropyReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;
  /** The low #count bits of #bits come next. */
  #bits = 0;
  #count = 0;

  /** Reads [start, end) of `bytes`. */
  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  /** Reads the next `length` bits, 0 to 16. */
  bits(length: number): number {
    if (this.#count < length) this.#fill();
    if (this.#count < length) throw undecodable("its image data ends too early");
    this.#count -= length;
    return (this.#bits >>> this.#count) & ((1 << length) - 1);
  }

  /** Reads a signed number of `length` bits, 0 to 15. */
  signed(length: number): number {
    return length === 0 ? 0 : extended(this.bits(length), length);
  }

  /** Reads the symbol of the next code. */
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
   * Reads the 63 AC coefficients of a sequential block into block[start...], row by row. Returns the zigzag index of the last
   * one that is not zero. Most of a decode's time is spent here, hence the local copies of the fields.
   * @param last zigzag index of the last coefficient that is needed; later ones are skipped or written, whichever is faster
   */
  readAc(table: AcDecoder, block: Int16Array, start: number, last: number): number {
    const bytes = this.#bytes;
    const end = this.#end;
    const { values } = table;
    let bits = this.#bits;
    let count = this.#count;
    let at = this.#at;
    let extent = 0;
    let k = 1;
    while (k <= last) {
      if (count < 16) {
        while (count <= 24 && at < end) {
          const byte = bytes[at]!;
          if (byte === 0xff) {
            if (bytes[at + 1] !== 0) break;
            at++;
          }
          at++;
          bits = (bits << 8) | byte;
          count += 8;
        }
      }
      const entry = count >= valueBits ? values[(bits >>> (count - valueBits)) & valueMask]! : 0;
      if (entry !== 0) {
        count -= entry & 255;
        k += (entry >> 8) & 255;
        const value = entry >> 16;
        if (value !== 0) {
          extent = k - 1;
          block[start + zigzag[extent]!] = value;
        }
        continue;
      }
      this.#bits = bits;
      this.#count = count;
      this.#at = at;
      const symbol = this.symbol(table.huffman);
      const size = symbol & 15;
      if (size !== 0) {
        extent = k + (symbol >> 4);
        block[start + zigzag[extent]!] = this.signed(size);
        k = extent + 1;
      } else {
        k += symbol === 0xf0 ? 16 : blockLength;
      }
      bits = this.#bits;
      count = this.#count;
      at = this.#at;
    }
    this.#bits = bits;
    this.#count = count;
    this.#at = at;
    if (k < blockLength) this.skipAc(table, k);
    return extent < blockLength ? extent : blockLength - 1;
  }

  /** Skips the AC coefficients of a sequential block from zigzag index `from` on. */
  skipAc({ steps, huffman }: AcDecoder, from = 1): void {
    const bytes = this.#bytes;
    const end = this.#end;
    let bits = this.#bits;
    let count = this.#count;
    let at = this.#at;
    for (let k = from; k < blockLength; ) {
      while (count <= 24 && at < end) {
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
        // A long code, the end of the data, or several codes of which the last may belong to the next block: reads one code.
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

  /** Drops the rest of this interval and continues after the next RSTn marker. checkJpeg has counted the markers. */
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

  /** Adds up to 24 bits. FF 00 means the byte FF; any other marker ends the data. */
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

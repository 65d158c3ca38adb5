/** LZW with variable code lengths, as in GIF (appendix F of its specification; Welch, 1984). */
import { freeBytes } from "../../bytes/byte-arrays.ts";
import { undecodable } from "../../errors.ts";

const maxCodes = 4096;
const maxCodeBits = 12;

/** Bytes of a reader's arrays: for each code its prefix, its last index and the length of its string; one string. */
export const lzwBytes = maxCodes * (2 + 1 + 2) + maxCodes;

/** Reads colour indices from sub-blocks of LZW codes. */
export class LzwReader {
  readonly #bytes: Uint8Array;
  /** Offset of the next byte. */
  #at: number;
  /** Bytes left in the sub-block. */
  #blockLeft = 0;
  /** Bits that were read and not used, the next one lowest. */
  #bits = 0;
  #bitCount = 0;
  readonly #minBits: number;
  readonly #clearCode: number;
  #codeBits: number;
  /** Code that the next string gets; the first two codes after the indices are "clear" and "end". */
  #nextCode: number;
  /** The code before, or -1 after a clear code. */
  #previous = -1;
  readonly #prefixes = new Uint16Array(maxCodes);
  readonly #lasts = new Uint8Array(maxCodes);
  readonly #lengths = new Uint16Array(maxCodes);
  /** The string of the current code, and which part of it has been returned. */
  readonly #string = new Uint8Array(maxCodes);
  #stringAt = 0;
  #stringEnd = 0;

  /**
   * @param at offset of the byte with the minimum code size
   * @throws ClassifierError image_undecodable
   */
  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#minBits = bytes[at] ?? 0;
    if (this.#minBits < 2 || this.#minBits > 8) {
      throw undecodable(`its LZW codes begin with ${bytes[at] ?? "no"} bits; expected 2 to 8`);
    }
    this.#at = at + 1;
    this.#clearCode = 1 << this.#minBits;
    this.#codeBits = this.#minBits + 1;
    this.#nextCode = this.#clearCode + 2;
    for (let index = 0; index < this.#clearCode; index++) {
      this.#lasts[index] = index;
      this.#lengths[index] = 1;
    }
  }

  /**
   * Fills `out` with the next indices.
   * @throws ClassifierError image_undecodable, when the data end before or have an invalid code
   */
  read(out: Uint8Array): void {
    for (let filled = 0; filled < out.length; ) {
      if (this.#stringAt === this.#stringEnd) this.#readString();
      const count = Math.min(out.length - filled, this.#stringEnd - this.#stringAt);
      for (let i = 0; i < count; i++) out[filled + i] = this.#string[this.#stringAt + i]!;
      this.#stringAt += count;
      filled += count;
    }
  }

  /** Frees all arrays. */
  free(): void {
    for (const array of [this.#prefixes, this.#lasts, this.#lengths, this.#string]) freeBytes(array);
  }

  /** Reads codes up to one that stands for indices, and writes its string. */
  #readString(): void {
    let code = this.#readCode();
    while (code === this.#clearCode) {
      this.#codeBits = this.#minBits + 1;
      this.#nextCode = this.#clearCode + 2;
      this.#previous = -1;
      code = this.#readCode();
    }
    if (code === this.#clearCode + 1) throw undecodable("its image data end before the last row");
    // The first code of a table is an index. A later one may be the string that it is about to add: the previous string and
    // that string's own first index.
    const isNew = code === this.#nextCode && this.#previous >= 0 && code < maxCodes;
    if (code >= this.#nextCode && !isNew) throw undecodable("its image data have an invalid LZW code");
    if (this.#previous < 0 && code > this.#clearCode)
      throw undecodable("its image data have an invalid LZW code");
    this.#write(isNew ? this.#previous : code);
    if (isNew) this.#string[this.#stringEnd++] = this.#string[0]!;
    if (this.#previous >= 0 && this.#nextCode < maxCodes) {
      this.#prefixes[this.#nextCode] = this.#previous;
      this.#lasts[this.#nextCode] = this.#string[0]!;
      this.#lengths[this.#nextCode] = this.#lengths[this.#previous]! + 1;
      this.#nextCode++;
      if (this.#nextCode === 1 << this.#codeBits && this.#codeBits < maxCodeBits) this.#codeBits++;
    }
    this.#previous = code;
  }

  /** Writes the string of a code from its end. */
  #write(code: number): void {
    this.#stringAt = 0;
    this.#stringEnd = this.#lengths[code]!;
    let left = code;
    for (let at = this.#stringEnd - 1; at >= 0; at--) {
      this.#string[at] = this.#lasts[left]!;
      left = this.#prefixes[left]!;
    }
  }

  #readCode(): number {
    while (this.#bitCount < this.#codeBits) {
      this.#bits |= this.#readByte() << this.#bitCount;
      this.#bitCount += 8;
    }
    const code = this.#bits & ((1 << this.#codeBits) - 1);
    this.#bits >>= this.#codeBits;
    this.#bitCount -= this.#codeBits;
    return code;
  }

  #readByte(): number {
    if (this.#blockLeft === 0) {
      this.#blockLeft = this.#bytes[this.#at++] ?? 0;
      if (this.#blockLeft === 0) throw undecodable("its image data end before the last row");
    }
    this.#blockLeft--;
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw undecodable("the file ends within its image data");
    return byte;
  }
}

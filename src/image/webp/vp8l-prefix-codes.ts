/** Reads the prefix codes of a VP8L image and builds look-up tables for them (RFC 9649, section 3.7.2). */

import { undecodable } from "../../errors.ts";
import type { DecodeMemory } from "./decode-memory.ts";
import { type BitReader, rootBits } from "./vp8l-bit-reader.ts";

/** Codes of a group, in this order: green with lengths and cache indices, red, blue, alpha, distances. */
export const codesPerGroup = 5;
/** Symbols of the green code: 256 literals, then 24 lengths, then the indices of the colour cache. */
export const literals = 256;
export const lengthCodes = 24;
const distanceCodes = 40;
/** The colour cache has at most this many colours, as a power of two. */
export const maxCacheBits = 11;
const maxCodeLength = 15;

/** The tables of all groups. */
export interface PrefixCodes {
  /**
   * Table entries: symbol << 4 | code length. A table has one entry for each value of the next bits that its mask
   * selects. If the length is above rootBits, the code is longer, and the entry stands for a second table: its index,
   * counted from the first table's, << 4 | rootBits + the number of bits that select its entries.
   */
  readonly entries: Uint16Array;
  /** Five per group: the index of a table in `entries`, and its mask. */
  readonly starts: Int32Array;
  readonly masks: Uint8Array;
}

/**
 * Reads the codes of all groups, twice: first to count the entries, then to build the tables. A code of one symbol has
 * a table of one entry and reads no bits.
 * @param isUsed by group, 0 if no pixel uses it, so that it needs no tables
 * @param cacheSize number of colours in the cache
 * @throws ClassifierError image_undecodable; image_too_large (decode_bytes)
 */
export function readPrefixCodes(
  reader: BitReader,
  isUsed: Uint8Array,
  cacheSize: number,
  memory: DecodeMemory,
): PrefixCodes {
  const alphabets = [literals + lengthCodes + cacheSize, 256, 256, 256, distanceCodes];
  const survey = reader.copy();
  let count = 0;
  for (let group = 0; group < isUsed.length; group++) {
    for (const symbols of alphabets) {
      readCodeLengths(survey, symbols);
      const longest = checkCode(symbols);
      if (isUsed[group] !== 0) count += tableEntries(longest);
    }
  }
  const entries = memory.allocate(Uint16Array, count);
  const starts = memory.allocate(Int32Array, codesPerGroup * isUsed.length);
  const masks = memory.allocate(Uint8Array, codesPerGroup * isUsed.length);
  let end = 0;
  for (let code = 0; code < starts.length; code++) {
    const symbols = alphabets[code % codesPerGroup]!;
    readCodeLengths(reader, symbols);
    if (isUsed[Math.floor(code / codesPerGroup)] === 0) continue;
    const longest = checkCode(symbols);
    starts[code] = end;
    masks[code] = (1 << Math.min(longest, rootBits)) - 1;
    end = buildTable(longest, symbols, entries, end);
  }
  return { entries, starts, masks };
}

// Decoding is synchronous, so all decodes share these arrays.
/** Length of the current code's codewords, by symbol. 0 for a symbol that does not occur. */
const lengths = new Uint8Array(literals + lengthCodes + (1 << maxCacheBits));
/** Number of codewords by length, from checkCode on. */
const counts = new Int32Array(maxCodeLength + 1);
/** Symbols by rising length, and by rising symbol within a length. */
const sorted = new Uint16Array(lengths.length);

/** Reads the lengths of a code of `symbols` symbols into `lengths`. */
function readCodeLengths(reader: BitReader, symbols: number): void {
  lengths.fill(0, 0, symbols);
  if (reader.read(1) === 1) {
    readSimpleCode(reader);
    return;
  }
  readNormalCode(reader, symbols);
}

/** One or two symbols with codewords of one bit. checkCode ignores a symbol beyond the alphabet, as libwebp does. */
function readSimpleCode(reader: BitReader): void {
  const hasTwo = reader.read(1) === 1;
  const first = reader.read(reader.read(1) === 1 ? 8 : 1);
  lengths[first] = 1;
  if (hasTwo) lengths[reader.read(8)] = 1;
}

/** The order in which the lengths of the code for code lengths are stored. */
const lengthOrder = Uint8Array.of(17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
/** Its codewords have at most 7 bits. */
const lengthTable = new Uint16Array(128);
/** Symbols 16, 17 and 18 repeat a length: extra bits, and the least number of repetitions. */
const repeatBits = [2, 3, 7] as const;
const repeatLeast = [3, 3, 11] as const;

function readNormalCode(reader: BitReader, symbols: number): void {
  const count = 4 + reader.read(4);
  for (let i = 0; i < count; i++) lengths[lengthOrder[i]!] = reader.read(3);
  const longest = checkCode(lengthOrder.length);
  buildTable(longest, lengthOrder.length, lengthTable, 0);
  lengths.fill(0, 0, lengthOrder.length);
  const mask = (1 << longest) - 1;
  let coded = reader.read(1) === 1 ? 2 + reader.read(2 + 2 * reader.read(3)) : symbols;
  if (coded > symbols) throw undecodable(`a prefix code of its VP8L data has ${coded} of ${symbols} lengths`);
  let previous = 8;
  for (let symbol = 0; symbol < symbols && coded > 0; coded--) {
    const length = reader.symbol(lengthTable, 0, mask);
    if (length <= maxCodeLength) {
      lengths[symbol++] = length;
      if (length !== 0) previous = length;
      continue;
    }
    const kind = length - 16;
    const end = symbol + repeatLeast[kind]! + reader.read(repeatBits[kind]!);
    if (end > symbols) throw undecodable(`a prefix code of its VP8L data has ${end} of ${symbols} lengths`);
    if (kind === 0) lengths.fill(previous, symbol, end);
    symbol = end;
  }
}

/**
 * Counts the codewords by length, and checks that no codeword is missing or begins another one.
 * @returns the length of the longest codeword, 0 for a code of one symbol
 * @throws ClassifierError image_undecodable
 */
function checkCode(symbols: number): number {
  counts.fill(0);
  for (let symbol = 0; symbol < symbols; symbol++) counts[lengths[symbol]!]!++;
  const codewords = symbols - counts[0]!;
  if (codewords === 1) return 0;
  let longest = 0;
  /** Codewords of the current length that are still free. */
  let free = 1;
  for (let length = 1; length <= maxCodeLength && free >= 0; length++) {
    free = 2 * free - counts[length]!;
    if (counts[length]! > 0) longest = length;
  }
  if (codewords === 0 || free !== 0) {
    throw undecodable(`a prefix code of its VP8L data has ${free < 0 ? "too many" : "too few"} codewords`);
  }
  return longest;
}

/** Number of entries of the current code's tables. Uses up `counts`. */
function tableEntries(longest: number): number {
  if (longest <= rootBits) return 1 << longest;
  let entries = 1 << rootBits;
  for (let length = rootBits + 1; length <= longest; length++) {
    while (counts[length]! > 0) entries += 1 << takeSecondTable(length);
  }
  return entries;
}

/**
 * Takes the next codewords from `counts`: those whose first rootBits bits are equal. Together they are complete, too.
 * @param length of the first of them
 * @returns the bits after the first rootBits of the longest of them
 */
function takeSecondTable(length: number): number {
  let bits = length - rootBits;
  for (let free = 1 << bits; ; free *= 2, bits++) {
    const taken = Math.min(free, counts[rootBits + bits]!);
    counts[rootBits + bits]! -= taken;
    free -= taken;
    if (free === 0) return bits;
  }
}

/**
 * Writes the tables of the current code to `entries`, from index `start` on. Uses up `counts`.
 * @param longest the result of checkCode, which was called before
 * @returns the index after them
 */
function buildTable(longest: number, symbols: number, entries: Uint16Array, start: number): number {
  const codewords = sortSymbols(symbols);
  if (longest === 0) {
    entries[start] = sorted[0]! << 4;
    return start + 1;
  }
  const firstBits = Math.min(longest, rootBits);
  const firstMask = (1 << firstBits) - 1;
  let end = start + (1 << firstBits);
  let secondStart = 0;
  let secondPrefix = -1;
  let secondBits = 0;
  let codeword = 0;
  let previousLength = lengths[sorted[0]!]!;
  for (let i = 0; i < codewords; i++) {
    const symbol = sorted[i]!;
    const length = lengths[symbol]!;
    codeword <<= length - previousLength;
    previousLength = length;
    const bits = reversed(codeword++, length);
    const entry = (symbol << 4) | length;
    if (length <= firstBits) {
      for (let at = bits; at <= firstMask; at += 1 << length) entries[start + at] = entry;
      continue;
    }
    if ((bits & firstMask) !== secondPrefix) {
      secondPrefix = bits & firstMask;
      secondBits = takeSecondTable(length);
      secondStart = end;
      end += 1 << secondBits;
      entries[start + secondPrefix] = ((secondStart - start) << 4) | (rootBits + secondBits);
    }
    const step = 1 << (length - rootBits);
    for (let at = bits >> rootBits; at < 1 << secondBits; at += step) entries[secondStart + at] = entry;
  }
  return end;
}

const nextOfLength = new Int32Array(maxCodeLength + 1);

/** Sorts the symbols that occur. Returns their number. */
function sortSymbols(symbols: number): number {
  let next = 0;
  for (let length = 1; length <= maxCodeLength; length++) {
    nextOfLength[length] = next;
    next += counts[length]!;
  }
  for (let symbol = 0; symbol < symbols; symbol++) {
    const length = lengths[symbol]!;
    if (length > 0) sorted[nextOfLength[length]!++] = symbol;
  }
  return next;
}

/** The low `length` bits in reverse order. */
function reversed(bits: number, length: number): number {
  let result = 0;
  for (let i = 0; i < length; i++) result |= ((bits >> i) & 1) << (length - 1 - i);
  return result;
}

/**
 * The typical Huffman tables of ITU-T T.81, annex K.3. Motion JPEG leaves the tables out of every frame and means these (as
 * libjpeg-turbo and AVI readers take it). Pure.
 */
import type { HuffmanTable } from "./jpeg-tables.ts";

const range = (length: number) => Array.from({ length }, (_, i) => i);

function table(
  tableClass: HuffmanTable["tableClass"],
  slot: number,
  counts: readonly number[],
  symbols: readonly number[],
): HuffmanTable {
  return { tableClass, slot, counts: Uint8Array.from(counts), symbols: Uint8Array.from(symbols) };
}

const dcCounts = [
  [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0],
  [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0],
];
const acCounts = [
  [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7d],
  [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77],
];

/** Symbols of more than so many bits come by rising value in both AC tables; these are the ones before them. */
const acBeginnings = [
  [
    ...[0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07],
    ...[0x22, 0x71, 0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52, 0xd1, 0xf0],
    ...[0x24, 0x33, 0x62, 0x72, 0x82],
  ],
  [
    ...[0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71],
    ...[0x13, 0x22, 0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xa1, 0xb1, 0xc1, 0x09, 0x23, 0x33, 0x52, 0xf0],
    ...[0x15, 0x62, 0x72, 0xd1, 0x0a, 0x16, 0x24, 0x34, 0xe1, 0x25, 0xf1],
  ],
];

/** Every AC symbol of 8-bit samples: end of block, 16 zeros, and runs of 0 to 15 zeros before values of 1 to 10 bits. */
const acSymbols = [
  0x00,
  0xf0,
  ...range(16).flatMap((run) => range(10).map((size) => (run << 4) | (size + 1))),
].sort((a, b) => a - b);

function acTable(slot: number): HuffmanTable {
  const beginning = acBeginnings[slot]!;
  const rest = acSymbols.filter((symbol) => !beginning.includes(symbol));
  return table("ac", slot, acCounts[slot]!, [...beginning, ...rest]);
}

/** Tables K.3 and K.4 for DC, K.5 and K.6 for AC: luminance in slot 0, chrominance in slot 1. */
export const standardHuffmanTables: readonly HuffmanTable[] = [
  table("dc", 0, dcCounts[0]!, range(12)),
  table("dc", 1, dcCounts[1]!, range(12)),
  acTable(0),
  acTable(1),
];

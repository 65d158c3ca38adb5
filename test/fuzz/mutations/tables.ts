/** Huffman and quantisation tables that no encoder writes. */

import { segment } from "../../../bench/pictures/jpeg-writer.ts";
import { type Choices, pick, randomBytes } from "../choices.ts";
import { type Bytes, piecesWith, repeated, replaced } from "../segments.ts";
import { insertBefore, isScan, type Mutation } from "./mutation.ts";

const beforeScan = (name: string, make: (choices: Choices) => Bytes) => insertBefore(name, isScan, make);

/** Class and slot of a Huffman table, mostly values that files use. */
const place = (choices: Choices) => pick(choices, [0x00, 0x10, 0x01, 0x11, 0x03, 0x13, 0x24, 0xff]);

/** Numbers of codes of 1 to 16 bits; 0 unless given. */
const counts = (given: Readonly<Record<number, number>>) =>
  Array.from({ length: 16 }, (_, i) => given[i + 1] ?? 0);

const huffman = (choices: Choices, codes: number[], symbols: Bytes) =>
  segment(0xc4, [place(choices), ...codes, ...symbols]);

/** Mutations of tables. */
export const tables: readonly Mutation[] = [
  beforeScan("empty Huffman table", (choices) => huffman(choices, counts({}), [])),
  beforeScan("Huffman table of one code", (choices) =>
    huffman(choices, counts({ [1 + choices.below(16)]: 1 }), [choices.below(256)]),
  ),
  beforeScan("Huffman table of two codes of 1 bit", (choices) =>
    huffman(choices, counts({ 1: 2 }), [choices.below(256), choices.below(256)]),
  ),
  beforeScan("Huffman table of long codes alone", (choices) =>
    huffman(choices, counts({ 16: 255 }), randomBytes(choices, 255)),
  ),
  beforeScan("oversubscribed Huffman table", (choices) =>
    huffman(choices, counts({ 1: 3, 2: choices.below(9) }), randomBytes(choices, 11)),
  ),
  beforeScan("Huffman table of 16 x 255 codes", (choices) =>
    huffman(choices, new Array<number>(16).fill(255), randomBytes(choices, 300)),
  ),
  beforeScan("random Huffman table", (choices) => {
    const codes = Array.from({ length: 16 }, (_, i) => choices.below(Math.min(16, 1 + i)));
    return huffman(choices, codes, randomBytes(choices, choices.below(codes.reduce((a, b) => a + b) + 3)));
  }),
  beforeScan("Huffman table that never ends", (choices) =>
    segment(0xc4, [place(choices), ...counts({ 8: 99 })]),
  ),
  beforeScan("thousands of Huffman tables", (choices) =>
    repeated(huffman(choices, counts({ 16: 1 }), [0]), 1 + choices.below(10_000)),
  ),
  beforeScan("quantisation table of one value", (choices) => {
    const value = pick(choices, [0, 1, 255]);
    return segment(0xdb, [choices.below(4), ...new Array<number>(64).fill(value)]);
  }),
  beforeScan("quantisation table of 16-bit values", (choices) => {
    const value = pick(choices, [0, 127, 255]);
    return segment(0xdb, [0x10 | choices.below(4), ...new Array<number>(128).fill(value)]);
  }),
  beforeScan("quantisation table cut short", (choices) =>
    segment(0xdb, [choices.below(32), ...randomBytes(choices, choices.below(130))]),
  ),
  beforeScan("thousands of quantisation tables", (choices) =>
    repeated(segment(0xdb, [choices.below(4), ...new Array<number>(64).fill(3)]), 1 + choices.below(4000)),
  ),
  beforeScan("arithmetic conditioning", () => segment(0xcc, [0x00, 0x10, 0x10, 0x05])),
  {
    name: "no Huffman tables",
    apply(bytes) {
      let out = bytes;
      for (const { start, end } of piecesWith(bytes, 0xc4).reverse()) {
        out = replaced(out, start, end, []);
      }
      return out;
    },
  },
];

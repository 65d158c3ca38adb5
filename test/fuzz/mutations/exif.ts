/** Misleading Exif segments. */

import { segment } from "../../../bench/pictures/jpeg-writer.ts";
import { type Choices, pick, randomBytes } from "../choices.ts";
import { ascii, concat, inserted } from "../segments.ts";
import type { Mutation } from "./mutation.ts";

const signature = ascii("Exif\0\0");
/** Orientation, and the pointers to the directories of Exif, GPS, interoperability and sub-images; thumbnail; notes. */
const tags = [0x0112, 0x8769, 0x8825, 0xa005, 0x014a, 0x0201, 0x927c, 0x02bc, 0x83bb, 0xffff] as const;

type Entry = readonly [tag: number, type: number, count: number, value: number];

/** A little-endian TIFF of one directory. */
function tiff(entries: readonly Entry[], next: number): Uint8Array {
  const out = new DataView(new ArrayBuffer(8 + 2 + 12 * entries.length + 4));
  out.setUint32(0, 0x49492a00);
  out.setUint32(4, 8, true);
  out.setUint16(8, entries.length, true);
  entries.forEach(([tag, type, count, value], i) => {
    out.setUint16(10 + 12 * i, tag, true);
    out.setUint16(12 + 12 * i, type, true);
    out.setUint32(14 + 12 * i, count, true);
    out.setUint32(18 + 12 * i, value, true);
  });
  out.setUint32(10 + 12 * entries.length, next, true);
  return new Uint8Array(out.buffer);
}

/** Inserts a segment after the start of the file, because only the first Exif segment counts. */
function exif(name: string, body: (choices: Choices, other: Uint8Array) => Uint8Array): Mutation {
  return {
    name,
    apply(bytes, choices, other) {
      const content = concat(signature, body(choices, other)).subarray(0, 65_533);
      return inserted(bytes, Math.min(2, bytes.length), segment(0xe1, [...content]));
    },
  };
}

const orientation = (choices: Choices): Entry => {
  const type = pick(choices, [1, 2, 3, 4, 7, 13, 0]);
  return [0x0112, type, pick(choices, [0, 1, 2, 0xffffffff]), choices.below(12)];
};

const heads = [
  "\x89PNG\r\n\x1a\n",
  "RIFF\xff\xff\xff\xffWEBPVP8X",
  "\0\0\0\x18ftypheic",
  "GIF89a",
  "\xff\xd8\xff\xe1",
  "\0\0\0\x0cJXL ",
];

/** Mutations of Exif. */
export const exifs: readonly Mutation[] = [
  exif("Exif orientation of any kind", (choices) => tiff([orientation(choices)], 0)),
  exif("Exif directories that point at themselves", (choices) => {
    const entry = (tag: number): Entry => [tag, 4, 1, pick(choices, [0, 8, 10, 20])];
    return tiff(tags.map(entry), 8);
  }),
  exif("Exif with thousands of entries", (choices) => {
    const [tag, type] = [pick(choices, tags), choices.below(14)];
    const entry: Entry = [tag, type, pick(choices, [1, 65_000, 0xffffffff]), choices.below(65_536)];
    return tiff(new Array<Entry>(1 + choices.below(5000)).fill(entry), 8);
  }),
  exif("Exif offsets beyond the end", (choices) => {
    const offset = () => pick(choices, [0xffffffff, 0x7fffffff, 70_000]);
    const entry = (tag: number): Entry => [tag, choices.below(14), 0xffffffff, offset()];
    return tiff(tags.map(entry), 0xfffffff0);
  }),
  exif("Exif that promises more entries than it has", (choices) => {
    const out = tiff([orientation(choices)], 0);
    out.set([255, 255], 8);
    return out;
  }),
  exif("Exif of random bytes", (choices) =>
    concat([0x49, 0x49, 0x2a, 0], randomBytes(choices, choices.below(300))),
  ),
  exif("another format inside Exif", (choices) =>
    concat(ascii(pick(choices, heads)), randomBytes(choices, choices.below(300))),
  ),
  exif("JPEG inside Exif", (_, other) => other),
];

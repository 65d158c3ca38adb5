/** Exif segments that lead their reader astray. */
import { type Choices, pick, randomBytes } from "../choices.ts";
import { segment } from "../jpeg-writer.ts";
import type { Mutation } from "../mutation.ts";
import { concat, inserted } from "../segments.ts";

const signature = [..."Exif\0\0"].map((c) => c.charCodeAt(0));
/** Orientation, and the pointers to the directories of Exif, GPS, interoperability and sub-images; thumbnail; notes. */
const tags = [0x0112, 0x8769, 0x8825, 0xa005, 0x014a, 0x0201, 0x927c, 0x02bc, 0x83bb, 0xffff] as const;

/** A little-endian TIFF of one directory; each entry is tag, type, count, value. */
function tiff(entries: readonly (readonly [number, number, number, number])[], next: number): Uint8Array {
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

/** Behind the start of the file: only the first Exif segment counts. */
function exif(name: string, body: (choices: Choices, other: Uint8Array) => Uint8Array): Mutation {
  return {
    name,
    apply(bytes, choices, other) {
      const content = concat(signature, body(choices, other)).subarray(0, 65_533);
      return inserted(bytes, Math.min(2, bytes.length), segment(0xe1, [...content]));
    },
  };
}

const orientation = (choices: Choices) =>
  [
    0x0112,
    pick(choices, [1, 2, 3, 4, 7, 13, 0]),
    pick(choices, [0, 1, 2, 0xffffffff]),
    choices.below(12),
  ] as const;

const heads = [
  "\x89PNG\r\n\x1a\n",
  "RIFF\xff\xff\xff\xffWEBPVP8X",
  "\0\0\0\x18ftypheic",
  "GIF89a",
  "\xff\xd8\xff\xe1",
  "\0\0\0\x0cJXL ",
];

export const exifs: readonly Mutation[] = [
  exif("Exif orientation of any kind", (choices) => tiff([orientation(choices)], 0)),
  exif("Exif directories that point at themselves", (choices) =>
    tiff(
      tags.map((tag) => [tag, 4, 1, pick(choices, [0, 8, 10, 20])] as const),
      8,
    ),
  ),
  exif("Exif with thousands of entries", (choices) => {
    const tag = pick(choices, tags);
    const entry = [
      tag,
      choices.below(14),
      pick(choices, [1, 65_000, 0xffffffff]),
      choices.below(65_536),
    ] as const;
    return tiff(new Array<typeof entry>(1 + choices.below(5000)).fill(entry), 8);
  }),
  exif("Exif offsets beyond the end", (choices) =>
    tiff(
      tags.map(
        (tag) =>
          [tag, choices.below(14), 0xffffffff, pick(choices, [0xffffffff, 0x7fffffff, 70_000])] as const,
      ),
      0xfffffff0,
    ),
  ),
  exif("Exif that promises more entries than it has", (choices) => {
    const out = tiff([orientation(choices)], 0);
    out.set([255, 255], 8);
    return out;
  }),
  exif("Exif of random bytes", (choices) =>
    concat([0x49, 0x49, 0x2a, 0], randomBytes(choices, choices.below(300))),
  ),
  exif("another format inside Exif", (choices) =>
    concat(
      [...pick(choices, heads)].map((c) => c.charCodeAt(0)),
      randomBytes(choices, choices.below(300)),
    ),
  ),
  exif("JPEG inside Exif", (_, other) => other),
];

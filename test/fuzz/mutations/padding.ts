/** Padding around the image: fill bytes, comments, other formats. */

import { segment } from "../../../bench/pictures/jpeg-writer.ts";
import { type Choices, pick } from "../choices.ts";
import { ascii, type Bytes, concat, inserted, piecesOf, repeated } from "../segments.ts";
import type { Mutation } from "./mutation.ts";

const sizes = [1, 2, 1000, 65_536, 1 << 20, 1 << 21] as const;

/** Inserts bytes between two segments. */
function between(name: string, make: (choices: Choices, other: Uint8Array) => Bytes): Mutation {
  return {
    name,
    apply(bytes, choices, other) {
      const pieces = piecesOf(bytes);
      const at = pieces.length === 0 ? bytes.length : pick(choices, pieces).start;
      return inserted(bytes, at, make(choices, other));
    },
  };
}

const xmp = "http://ns.adobe.com/xap/1.0/\0";
const applications = ["JFIF\0", "JFXX\0", "Exif\0\0", "ICC_PROFILE\0", "Adobe", xmp] as const;
const fronts = ["\x89PNG\r\n\x1a\n", "GIF89a", "<html>", "%PDF-1.7\n", "PK\x03\x04", " ", "\0"] as const;
const backs = ["PK\x03\x04", "<script>alert(1)</script>", "%PDF-1.7\n"] as const;

/** Bytes of the largest segment body. */
const largest = 65_533;

/** Mutations that add padding. */
export const paddings: readonly Mutation[] = [
  between("fill bytes", (choices) => new Uint8Array(pick(choices, sizes)).fill(0xff)),
  between("stray bytes between segments", (choices) =>
    new Uint8Array(pick(choices, sizes)).fill(pick(choices, [0, 0x20, 0xfe])),
  ),
  between("FF 00, again and again", (choices) => repeated([0xff, 0], pick(choices, sizes))),
  between("large comments", (choices) =>
    repeated(
      segment(0xfe, new Array<number>(largest).fill(pick(choices, [0x41, 0xff]))),
      1 + choices.below(24),
    ),
  ),
  between("thousands of empty segments", (choices) =>
    repeated(
      [0xff, pick(choices, [0xfe, 0xe0, 0xe1, 0xed, 0xee, 0x02]), 0, 2],
      pick(choices, sizes) >> 2 || 1,
    ),
  ),
  between("application segments", (choices) =>
    segment(pick(choices, [0xe0, 0xe1, 0xe2, 0xed, 0xee]), [
      ...ascii(pick(choices, applications)),
      ...new Array<number>(choices.below(20)).fill(choices.below(256)),
    ]),
  ),
  between("JPEG inside a comment", (_, other) => segment(0xfe, [...other.subarray(0, largest)])),
  between("number of lines", (choices) => segment(0xdc, [choices.below(256), choices.below(256)])),
  {
    name: "another format in front",
    apply: (bytes, choices) => concat(ascii(pick(choices, fronts)), bytes),
  },
  {
    name: "another format behind",
    apply: (bytes, choices) =>
      concat(bytes, ascii(pick(choices, backs)), new Uint8Array(pick(choices, sizes))),
  },
];

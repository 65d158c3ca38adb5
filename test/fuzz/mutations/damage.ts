/** Damage on the way: flipped bits, missing parts, wrong length fields. */
import { type Choices, pick, randomBytes } from "../choices.ts";
import { concat, replaced } from "../segments.ts";
import { editPiece, isScan, type Mutation, onPiece } from "./mutation.ts";

function flipped(bytes: Uint8Array, choices: Choices, start: number, end: number): Uint8Array {
  if (end <= start) return bytes;
  const out = bytes.slice();
  for (let flips = 1 + choices.below(8); flips > 0; flips--) {
    out[start + choices.below(end - start)]! ^= 1 << choices.below(8);
  }
  return out;
}

/** Wrong bits and bytes. */
export const bits: readonly Mutation[] = [
  { name: "flipped bits", apply: (bytes, choices) => flipped(bytes, choices, 0, bytes.length) },
  onPiece(
    "flipped bits in a segment",
    ({ body, dataStart }) => dataStart > body,
    (bytes, { body, dataStart }, choices) => flipped(bytes, choices, body, dataStart),
  ),
  onPiece("flipped bits in image data", isScan, (bytes, { dataStart, end }, choices) =>
    flipped(bytes, choices, dataStart, end),
  ),
  {
    name: "a run of other bytes",
    apply(bytes, choices) {
      const at = choices.below(bytes.length + 1);
      return replaced(bytes, at, at + choices.below(20), randomBytes(choices, choices.below(20)));
    },
  },
  editPiece("image data of one value", isScan, (out, { dataStart, end }, choices) => {
    out.fill(pick(choices, [0, 0x55, 0xaa, 0xfe]), dataStart, end);
  }),
];

/** Files that end early or lack a part. */
export const cuts: readonly Mutation[] = [
  { name: "cut short", apply: (bytes, choices) => bytes.slice(0, choices.below(bytes.length + 1)) },
  {
    name: "cut short, end glued on",
    apply: (bytes, choices) => concat(bytes.subarray(0, choices.below(bytes.length + 1)), [0xff, 0xd9]),
  },
  {
    name: "a run of bytes cut out",
    apply(bytes, choices) {
      const start = choices.below(bytes.length + 1);
      return replaced(bytes, start, Math.min(bytes.length, start + 1 + choices.below(64)), []);
    },
  },
  {
    name: "start cut off",
    apply: (bytes, choices) => bytes.slice(choices.below(Math.min(bytes.length, 64) + 1)),
  },
];

/** Wrong length fields. */
export const lengths: readonly Mutation[] = [
  editPiece(
    "wrong segment length",
    ({ body, start }) => body - start === 4,
    (out, { start, dataStart }, choices) => {
      const right = dataStart - start - 2;
      const wrong = pick(choices, [0, 1, 2, 3, 0xffff, 0x8000, right - 1, right + 1, choices.below(0x10000)]);
      out.set([wrong >> 8, wrong], start + 2);
    },
  ),
];

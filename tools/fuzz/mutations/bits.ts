/** Files that were damaged on their way. */
import type { Choices } from "../choices.ts";
import { pick, randomBytes } from "../choices.ts";
import type { Mutation } from "../mutation.ts";
import { piecesOf, piecesWith, replaced } from "../segments.ts";

function flipped(bytes: Uint8Array, choices: Choices, start: number, end: number): Uint8Array {
  if (end <= start) return bytes;
  const out = bytes.slice();
  for (let flips = 1 + choices.below(8); flips > 0; flips--) {
    out[start + choices.below(end - start)]! ^= 1 << choices.below(8);
  }
  return out;
}

export const bits: readonly Mutation[] = [
  { name: "flipped bits", apply: (bytes, choices) => flipped(bytes, choices, 0, bytes.length) },
  {
    name: "flipped bits in a segment",
    apply(bytes, choices) {
      const pieces = piecesOf(bytes).filter(({ body, dataStart }) => dataStart > body);
      if (pieces.length === 0) return bytes;
      const { body, dataStart } = pick(choices, pieces);
      return flipped(bytes, choices, body, dataStart);
    },
  },
  {
    name: "flipped bits in image data",
    apply(bytes, choices) {
      const scans = piecesWith(bytes, 0xda);
      if (scans.length === 0) return bytes;
      const { dataStart, end } = pick(choices, scans);
      return flipped(bytes, choices, dataStart, end);
    },
  },
  {
    name: "a run of other bytes",
    apply(bytes, choices) {
      const at = choices.below(bytes.length + 1);
      return replaced(bytes, at, at + choices.below(20), randomBytes(choices, choices.below(20)));
    },
  },
  {
    name: "image data of one value",
    apply(bytes, choices) {
      const scans = piecesWith(bytes, 0xda);
      if (scans.length === 0) return bytes;
      const { dataStart, end } = pick(choices, scans);
      return bytes.slice().fill(pick(choices, [0, 0x55, 0xaa, 0xfe]), dataStart, end);
    },
  },
];

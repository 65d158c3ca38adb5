/** Length fields that lie. */
import { pick } from "../choices.ts";
import type { Mutation } from "../mutation.ts";
import { piecesOf } from "../segments.ts";

export const lengths: readonly Mutation[] = [
  {
    name: "wrong segment length",
    apply(bytes, choices) {
      const pieces = piecesOf(bytes).filter(({ body, start }) => body - start === 4);
      if (pieces.length === 0) return bytes;
      const { start, dataStart } = pick(choices, pieces);
      const right = dataStart - start - 2;
      const wrong = pick(choices, [0, 1, 2, 3, 0xffff, 0x8000, right - 1, right + 1, choices.below(0x10000)]);
      const out = bytes.slice();
      out[start + 2] = wrong >> 8;
      out[start + 3] = wrong;
      return out;
    },
  },
];

/** Files that end early or lack a part. */
import type { Mutation } from "../mutation.ts";
import { concat, replaced } from "../segments.ts";

const end = [0xff, 0xd9];

export const cuts: readonly Mutation[] = [
  { name: "cut short", apply: (bytes, choices) => bytes.slice(0, choices.below(bytes.length + 1)) },
  {
    name: "cut short, end glued on",
    apply: (bytes, choices) => concat(bytes.subarray(0, choices.below(bytes.length + 1)), end),
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

/** Segments and whole files in the wrong place. */
import { type Choices, pick } from "../choices.ts";
import { concat, inserted, type Piece, piecesOf, repeated, replaced } from "../segments.ts";
import type { Mutation } from "./mutation.ts";

/** Chooses a segment of the file, and a place between two segments. */
function choose(bytes: Uint8Array, choices: Choices): { piece: Piece; place: number } | undefined {
  const pieces = piecesOf(bytes);
  if (pieces.length === 0) return undefined;
  const piece = pick(choices, pieces);
  return { piece, place: pick(choices, pieces).start };
}

const cut = (bytes: Uint8Array, { start, end }: Piece) => bytes.subarray(start, end);

/** A mutation of a chosen segment and place. */
const onChosen = (
  name: string,
  change: (bytes: Uint8Array, piece: Piece, place: number, choices: Choices) => Uint8Array,
): Mutation => ({
  name,
  apply(bytes, choices) {
    const chosen = choose(bytes, choices);
    return chosen ? change(bytes, chosen.piece, chosen.place, choices) : bytes;
  },
});

/** Mutations that move segments and files. */
export const splices: readonly Mutation[] = [
  onChosen("segment removed", (bytes, { start, end }) => replaced(bytes, start, end, [])),
  onChosen("segment twice", (bytes, piece, place) => inserted(bytes, place, cut(bytes, piece))),
  onChosen("segment many times", (bytes, piece, _, choices) => {
    const content = cut(bytes, piece);
    const most = Math.max(1, Math.min(4000, Math.floor(2 ** 20 / content.length)));
    return inserted(bytes, piece.start, repeated(content, 1 + choices.below(most)));
  }),
  onChosen("segment moved", (bytes, piece, place) => {
    const without = replaced(bytes, piece.start, piece.end, []);
    const at = place > piece.start ? place - (piece.end - piece.start) : place;
    return inserted(without, Math.max(0, at), cut(bytes, piece));
  }),
  {
    name: "segment of another file",
    apply(bytes, choices, other) {
      const place = choose(bytes, choices)?.place ?? bytes.length;
      return inserted(bytes, place, cut(other, pick(choices, piecesOf(other))));
    },
  },
  {
    name: "segment replaced by another file's",
    apply(bytes, choices, other) {
      const piece = choose(bytes, choices)?.piece;
      if (!piece) return bytes;
      const alike = piecesOf(other).filter(({ marker }) => marker === piece.marker);
      return alike.length === 0
        ? bytes
        : replaced(bytes, piece.start, piece.end, cut(other, pick(choices, alike)));
    },
  },
  {
    name: "several starts and ends",
    apply(bytes, choices) {
      const marker = pick(choices, [0xd8, 0xd9]);
      const place = choose(bytes, choices)?.place ?? 0;
      return inserted(bytes, place, repeated([0xff, marker], 1 + choices.below(5)));
    },
  },
  { name: "two files, one behind the other", apply: (bytes, _, other) => concat(bytes, other) },
  {
    name: "a file inside the file",
    apply: (bytes, choices, other) => inserted(bytes, choose(bytes, choices)?.place ?? 0, other),
  },
  {
    name: "halves of two files",
    apply: (bytes, choices, other) =>
      concat(bytes.subarray(0, choices.below(bytes.length + 1)), other.subarray(choices.below(other.length))),
  },
];

/** Segments and whole files in the wrong place. */
import { type Choices, pick } from "../choices.ts";
import type { Mutation } from "../mutation.ts";
import { concat, inserted, type Piece, piecesOf, repeated, replaced } from "../segments.ts";

/** A segment of the file, and a place between two segments. */
function chosen(bytes: Uint8Array, choices: Choices): { piece: Piece; place: number } | undefined {
  const pieces = piecesOf(bytes);
  if (pieces.length === 0) return undefined;
  const piece = pick(choices, pieces);
  return { piece, place: pick(choices, pieces).start };
}

const cut = (bytes: Uint8Array, { start, end }: Piece) => bytes.subarray(start, end);

export const splices: readonly Mutation[] = [
  {
    name: "segment removed",
    apply(bytes, choices) {
      const found = chosen(bytes, choices);
      return found ? replaced(bytes, found.piece.start, found.piece.end, []) : bytes;
    },
  },
  {
    name: "segment twice",
    apply(bytes, choices) {
      const found = chosen(bytes, choices);
      return found ? inserted(bytes, found.place, cut(bytes, found.piece)) : bytes;
    },
  },
  {
    name: "segment many times",
    apply(bytes, choices) {
      const found = chosen(bytes, choices);
      if (!found) return bytes;
      const piece = cut(bytes, found.piece);
      const most = Math.max(1, Math.min(4000, Math.floor(2 ** 20 / piece.length)));
      return inserted(bytes, found.piece.start, repeated(piece, 1 + choices.below(most)));
    },
  },
  {
    name: "segment moved",
    apply(bytes, choices) {
      const found = chosen(bytes, choices);
      if (!found) return bytes;
      const { piece, place } = found;
      const without = replaced(bytes, piece.start, piece.end, []);
      const at = place > piece.start ? place - (piece.end - piece.start) : place;
      return inserted(without, Math.max(0, at), cut(bytes, piece));
    },
  },
  {
    name: "segment of another file",
    apply(bytes, choices, other) {
      const place = chosen(bytes, choices)?.place ?? bytes.length;
      return inserted(bytes, place, cut(other, pick(choices, piecesOf(other))));
    },
  },
  {
    name: "segment replaced by another file's",
    apply(bytes, choices, other) {
      const piece = chosen(bytes, choices)?.piece;
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
      const place = chosen(bytes, choices)?.place ?? 0;
      return inserted(bytes, place, repeated([0xff, marker], 1 + choices.below(5)));
    },
  },
  { name: "two files, one behind the other", apply: (bytes, _, other) => concat(bytes, other) },
  {
    name: "a file inside the file",
    apply: (bytes, choices, other) => inserted(bytes, chosen(bytes, choices)?.place ?? 0, other),
  },
  {
    name: "halves of two files",
    apply: (bytes, choices, other) =>
      concat(bytes.subarray(0, choices.below(bytes.length + 1)), other.subarray(choices.below(other.length))),
  },
];

/** Mutations, and ways to make them. */
import { type Choices, pick } from "../choices.ts";
import { type Bytes, inserted, type Piece, piecesOf } from "../segments.ts";

/** A change of a JPEG. */
export interface Mutation {
  /** Used in recipes and reports. */
  readonly name: string;
  /** Returns another file. `other` is a valid file to take parts from. A file without the part in question is unchanged. */
  apply(bytes: Uint8Array, choices: Choices, other: Uint8Array): Uint8Array;
}

/** Selects pieces with one of these markers. */
export const has =
  (...markers: readonly number[]) =>
  ({ marker }: Piece) =>
    markers.includes(marker);

/** Selects scans. */
export const isScan = has(0xda);

/** Chooses one of the selected pieces and changes the file there. */
export function onPiece(
  name: string,
  select: (piece: Piece) => boolean,
  change: (bytes: Uint8Array, piece: Piece, choices: Choices) => Uint8Array,
): Mutation {
  return {
    name,
    apply(bytes, choices) {
      const pieces = piecesOf(bytes).filter(select);
      return pieces.length === 0 ? bytes : change(bytes, pick(choices, pieces), choices);
    },
  };
}

/** Chooses one of the selected pieces and writes into a copy of the file. */
export function editPiece(
  name: string,
  select: (piece: Piece) => boolean,
  edit: (out: Uint8Array, piece: Piece, choices: Choices) => void,
): Mutation {
  return onPiece(name, select, (bytes, piece, choices) => {
    const out = bytes.slice();
    edit(out, piece, choices);
    return out;
  });
}

/** Inserts bytes before one of the selected pieces. */
export function insertBefore(
  name: string,
  select: (piece: Piece) => boolean,
  make: (choices: Choices) => Bytes,
): Mutation {
  return onPiece(name, select, (bytes, { start }, choices) => inserted(bytes, start, make(choices)));
}

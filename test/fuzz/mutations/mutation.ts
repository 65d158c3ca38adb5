/** Mutations, and functions that make them. */
import { type Choices, pick } from "../choices.ts";
import { type Piece, piecesOf } from "../segments.ts";

/**
 * Changes a JPEG and returns another file. `other` is a valid file to take parts from. A file without the part in
 * question is unchanged.
 */
export type Mutate = (bytes: Uint8Array, choices: Choices, other: Uint8Array) => Uint8Array;

/** Mutations by their name in recipes and reports. */
export type Mutations = Readonly<Record<string, Mutate>>;

type Select = (piece: Piece) => boolean;

/** Selects pieces with one of these markers. */
export const has =
  (...markers: readonly number[]): Select =>
  ({ marker }) =>
    markers.includes(marker);

/** Selects scans. */
export const isScan = has(0xda);

/** Chooses one of the places that `find` returns and changes the file there. */
export function onOne<Place>(
  find: (bytes: Uint8Array) => readonly Place[],
  change: (bytes: Uint8Array, place: Place, choices: Choices) => Uint8Array,
): Mutate {
  return (bytes, choices) => {
    const places = find(bytes);
    return places.length === 0 ? bytes : change(bytes, pick(choices, places), choices);
  };
}

/** Chooses one of the selected pieces and changes the file there. */
export function onPiece(
  select: Select,
  change: (bytes: Uint8Array, piece: Piece, choices: Choices) => Uint8Array,
): Mutate {
  return onOne((bytes) => piecesOf(bytes).filter(select), change);
}

/** Chooses one of the selected pieces and writes into a copy of the file. */
export function editPiece(
  select: Select,
  edit: (out: Uint8Array, piece: Piece, choices: Choices) => void,
): Mutate {
  return onPiece(select, (bytes, piece, choices) => {
    const out = bytes.slice();
    edit(out, piece, choices);
    return out;
  });
}

/** Mutations, functions that make them, and those that need no knowledge of the format. */
import { type Choices, pick, randomBytes } from "../choices.ts";
import { ascii, concat, type Piece, piecesOf, replaced } from "../segments.ts";

/**
 * Changes a file and returns another one. `other` is a valid file to take parts from. A file without the part in
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

/** Flips up to eight bits between `start` and `end`. */
export function flipped(
  bytes: Uint8Array,
  choices: Choices,
  start = 0,
  end: number = bytes.length,
): Uint8Array {
  if (end <= start) return bytes;
  const out = bytes.slice();
  for (let flips = 1 + choices.below(8); flips > 0; flips--) {
    out[start + choices.below(end - start)]! ^= 1 << choices.below(8);
  }
  return out;
}

/** Writes bytes at a place, as far as they fit: another mutation may have shortened the file. */
export function overwrite(out: Uint8Array, at: number, bytes: readonly number[]): void {
  // A typed array ignores what is written outside it.
  for (const [i, byte] of bytes.entries()) out[at + i] = byte;
}

/** Wrong bits and bytes anywhere. */
export const anyBits: Mutations = {
  "flipped bits": (bytes, choices) => flipped(bytes, choices),
  "a run of other bytes"(bytes, choices) {
    const at = choices.below(bytes.length + 1);
    return replaced(bytes, at, at + choices.below(20), randomBytes(choices, choices.below(20)));
  },
};

/** Bytes that are missing anywhere. */
export const anyCuts: Mutations = {
  "cut short": (bytes, choices) => bytes.slice(0, choices.below(bytes.length + 1)),
  "a run of bytes cut out"(bytes, choices) {
    const start = choices.below(bytes.length + 1);
    return replaced(bytes, start, Math.min(bytes.length, start + 1 + choices.below(64)), []);
  },
  "start cut off": (bytes, choices) => bytes.slice(choices.below(Math.min(bytes.length, 64) + 1)),
};

/** Two files in one. */
export const anySplices: Mutations = {
  "two files, one behind the other": (bytes, _, other) => concat(bytes, other),
  "halves of two files": (bytes, choices, other) =>
    concat(bytes.subarray(0, choices.below(bytes.length + 1)), other.subarray(choices.below(other.length))),
};

/** Numbers of bytes to insert. */
export const sizes = [1, 2, 1000, 65_536, 1 << 20, 1 << 21] as const;

const fronts = [
  "\x89PNG\r\n\x1a\n",
  "GIF89a",
  "\xff\xd8\xff",
  "RIFF\x20\0\0\0WEBP",
  "<html>",
  "%PDF-1.7\n",
  "PK\x03\x04",
  " ",
  "\0",
] as const;
const backs = ["PK\x03\x04", "<script>alert(1)</script>", "%PDF-1.7\n"] as const;

/** Other formats around the image. */
export const anyPaddings: Mutations = {
  "another format in front": (bytes, choices) => concat(ascii(pick(choices, fronts)), bytes),
  "another format behind": (bytes, choices) =>
    concat(bytes, ascii(pick(choices, backs)), new Uint8Array(pick(choices, sizes))),
};

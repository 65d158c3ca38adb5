/** Mutations of the bytes of a file: damage on the way, segments and files in the wrong place, padding. */
import { segment } from "../../../bench/pictures/jpeg-writer.ts";
import { type Choices, pick } from "../choices.ts";
import {
  ascii,
  type Bytes,
  concat,
  inserted,
  type Piece,
  piecesOf,
  repeated,
  replaced,
} from "../segments.ts";
import {
  anyBits,
  anyCuts,
  anyPaddings,
  anySplices,
  editPiece,
  flipped,
  isScan,
  type Mutate,
  type Mutations,
  onPiece,
  overwrite,
  sizes,
} from "./mutation.ts";

/** Wrong bits and bytes. */
export const bits: Mutations = {
  ...anyBits,
  "flipped bits in a segment": onPiece(
    ({ body, dataStart }) => dataStart > body,
    (bytes, { body, dataStart }, choices) => flipped(bytes, choices, body, dataStart),
  ),
  "flipped bits in image data": onPiece(isScan, (bytes, { dataStart, end }, choices) =>
    flipped(bytes, choices, dataStart, end),
  ),
  "image data of one value": editPiece(isScan, (out, { dataStart, end }, choices) => {
    out.fill(pick(choices, [0, 0x55, 0xaa, 0xfe]), dataStart, end);
  }),
};

/** Files that end early or lack a part. */
export const cuts: Mutations = {
  ...anyCuts,
  "cut short, end glued on": (bytes, choices) =>
    concat(bytes.subarray(0, choices.below(bytes.length + 1)), [0xff, 0xd9]),
};

/** Wrong length fields. */
export const lengths: Mutations = {
  "wrong segment length": editPiece(
    ({ body, start }) => body - start === 4,
    (out, { start, dataStart }, choices) => {
      const right = dataStart - start - 2;
      const wrong = pick(choices, [0, 1, 2, 3, 0xffff, 0x8000, right - 1, right + 1, choices.below(0x10000)]);
      overwrite(out, start + 2, [wrong >> 8, wrong]);
    },
  ),
};

/** Chooses a segment of the file, and a place between two segments. */
function choose(bytes: Uint8Array, choices: Choices): { piece: Piece; place: number } | undefined {
  const pieces = piecesOf(bytes);
  if (pieces.length === 0) return undefined;
  const piece = pick(choices, pieces);
  return { piece, place: pick(choices, pieces).start };
}

const cut = (bytes: Uint8Array, { start, end }: Piece) => bytes.subarray(start, end);

/** Chooses a segment and a place, and changes the file. */
const onChosen =
  (change: (bytes: Uint8Array, piece: Piece, place: number, choices: Choices) => Uint8Array): Mutate =>
  (bytes, choices) => {
    const chosen = choose(bytes, choices);
    return chosen ? change(bytes, chosen.piece, chosen.place, choices) : bytes;
  };

/** Segments and whole files in the wrong place. */
export const splices: Mutations = {
  "segment removed": onChosen((bytes, { start, end }) => replaced(bytes, start, end, [])),
  "segment twice": onChosen((bytes, piece, place) => inserted(bytes, place, cut(bytes, piece))),
  "segment many times": onChosen((bytes, piece, _, choices) => {
    const content = cut(bytes, piece);
    const most = Math.max(1, Math.min(4000, Math.floor(2 ** 20 / content.length)));
    return inserted(bytes, piece.start, repeated(content, 1 + choices.below(most)));
  }),
  "segment moved": onChosen((bytes, piece, place) => {
    const without = replaced(bytes, piece.start, piece.end, []);
    const at = place > piece.start ? place - (piece.end - piece.start) : place;
    return inserted(without, Math.max(0, at), cut(bytes, piece));
  }),
  "segment of another file"(bytes, choices, other) {
    const place = choose(bytes, choices)?.place ?? bytes.length;
    return inserted(bytes, place, cut(other, pick(choices, piecesOf(other))));
  },
  "segment replaced by another file's"(bytes, choices, other) {
    const piece = choose(bytes, choices)?.piece;
    if (!piece) return bytes;
    const alike = piecesOf(other).filter(({ marker }) => marker === piece.marker);
    return alike.length === 0
      ? bytes
      : replaced(bytes, piece.start, piece.end, cut(other, pick(choices, alike)));
  },
  "several starts and ends"(bytes, choices) {
    const marker = pick(choices, [0xd8, 0xd9]);
    const place = choose(bytes, choices)?.place ?? 0;
    return inserted(bytes, place, repeated([0xff, marker], 1 + choices.below(5)));
  },
  "a file inside the file": (bytes, choices, other) =>
    inserted(bytes, choose(bytes, choices)?.place ?? 0, other),
  ...anySplices,
};

/** Inserts bytes between two segments. */
const between =
  (make: (choices: Choices, other: Uint8Array) => Bytes): Mutate =>
  (bytes, choices, other) => {
    const pieces = piecesOf(bytes);
    const at = pieces.length === 0 ? bytes.length : pick(choices, pieces).start;
    return inserted(bytes, at, make(choices, other));
  };

const xmp = "http://ns.adobe.com/xap/1.0/\0";
const applications = ["JFIF\0", "JFXX\0", "Exif\0\0", "ICC_PROFILE\0", "Adobe", xmp] as const;

/** Bytes of the largest segment body. */
const largest = 65_533;

/** Fill bytes, comments and other formats around the image. */
export const paddings: Mutations = {
  "fill bytes": between((choices) => new Uint8Array(pick(choices, sizes)).fill(0xff)),
  "stray bytes between segments": between((choices) =>
    new Uint8Array(pick(choices, sizes)).fill(pick(choices, [0, 0x20, 0xfe])),
  ),
  "FF 00, again and again": between((choices) => repeated([0xff, 0], pick(choices, sizes))),
  "large comments": between((choices) =>
    repeated(
      segment(0xfe, new Array<number>(largest).fill(pick(choices, [0x41, 0xff]))),
      1 + choices.below(24),
    ),
  ),
  "thousands of empty segments": between((choices) =>
    repeated(
      [0xff, pick(choices, [0xfe, 0xe0, 0xe1, 0xed, 0xee, 0x02]), 0, 2],
      pick(choices, sizes) >> 2 || 1,
    ),
  ),
  "application segments": between((choices) =>
    segment(pick(choices, [0xe0, 0xe1, 0xe2, 0xed, 0xee]), [
      ...ascii(pick(choices, applications)),
      ...new Array<number>(choices.below(20)).fill(choices.below(256)),
    ]),
  ),
  "JPEG inside a comment": between((_, other) => segment(0xfe, [...other.subarray(0, largest)])),
  "number of lines": between((choices) => segment(0xdc, [choices.below(256), choices.below(256)])),
  ...anyPaddings,
};

/** Mutations of WebPs. Unless they damage a size on purpose, they correct it, so that the damage reaches the decoder. */
import { vp8Size } from "../../../src/image/webp/vp8-header.ts";
import { vp8lSize } from "../../../src/image/webp/vp8l-decoder.ts";
import { randomVp8l, randomVp8Spec } from "../../support/random-webp.ts";
import { writeVp8 } from "../../support/vp8-writer.ts";
import { type Token, writeVp8l, writeVp8lStream } from "../../support/vp8l-writer.ts";
import {
  animationFrame,
  animationHeader,
  chunk,
  chunksOf,
  littleEndian,
  type PlacedChunk,
  Vp8xFlag,
  vp8x,
  webpFile,
} from "../../support/webp-writer.ts";
import { type Choices, pick, randomBytes } from "../choices.ts";
import { type Bytes, concat, inserted, repeated, replaced } from "../segments.ts";
import { exifBodies } from "./headers.ts";
import {
  anyBits,
  anyCuts,
  anyPaddings,
  anySplices,
  flipped,
  type Mutate,
  type Mutations,
  onOne,
  overwrite,
  sizes,
} from "./mutation.ts";

/** A chunk, and where the sizes of the chunks around it are. */
interface Piece extends PlacedChunk {
  readonly outerSizesAt: readonly number[];
}

const riffSizeAt = 4;
const frameHeaderBytes = 16;

/** Returns the chunks of a file, and those of the frames of an animation. */
function piecesOf(bytes: Uint8Array): Piece[] {
  return chunksOf(bytes).flatMap((piece): Piece[] => {
    const outer = { ...piece, outerSizesAt: [riffSizeAt] };
    if (piece.name !== "ANMF") return [outer];
    const inner = chunksOf(bytes, piece.start + 8 + frameHeaderBytes, piece.end);
    return [outer, ...inner.map((one) => ({ ...one, outerSizesAt: [riffSizeAt, piece.start + 4] }))];
  });
}

/** Replaces a part of a file by other bytes, and corrects the sizes of the chunks around it. */
function resized(
  bytes: Uint8Array,
  { start, end, outerSizesAt }: Pick<Piece, "start" | "end" | "outerSizesAt">,
  by: Bytes,
): Uint8Array {
  const out = replaced(bytes, start, end, by);
  const view = new DataView(out.buffer);
  const grown = by.length - (end - start);
  for (const at of outerSizesAt) view.setUint32(at, view.getUint32(at, true) + grown, true);
  return out;
}

type Change = (bytes: Uint8Array, piece: Piece, choices: Choices, other: Uint8Array) => Uint8Array;

/** Chooses a chunk with one of these names, or any, and changes the file there. */
const onChunk =
  (names: readonly string[], change: Change): Mutate =>
  (bytes, choices, other) =>
    onOne(
      (file) => piecesOf(file).filter(({ name }) => names.length === 0 || names.includes(name)),
      (file, piece, more) => change(file, piece, more, other),
    )(bytes, choices, other);

/** Chooses a chunk and replaces its content by a copy that `edit` changes or returns. */
const onContent = (
  names: readonly string[],
  edit: (content: Uint8Array, choices: Choices) => Bytes,
): Mutate =>
  onChunk(names, (bytes, piece, choices) =>
    resized(bytes, piece, chunk(piece.name, edit(piece.content.slice(), choices))),
  );

/** Inserts bytes before a chunk. */
const before = (names: readonly string[], make: (choices: Choices, other: Uint8Array) => Bytes): Mutate =>
  onChunk(names, (bytes, piece, choices, other) =>
    resized(bytes, { ...piece, end: piece.start }, make(choices, other)),
  );

const images = ["VP8 ", "VP8L"] as const;
const coded = [...images, "ALPH"] as const;
const names = [...coded, "VP8X", "ANIM", "ANMF", "EXIF", "ICCP", "XMP ", "RIFF", "WEBP", "ABCD"] as const;

/** Writes a little-endian number of `length` bytes. */
function setNumber(out: Uint8Array, at: number, value: number, length: number): void {
  overwrite(out, at, littleEndian(value, length));
}

/** Returns the size in the header of image data; that of the seeds if it is damaged. */
function sizeOf({ name, content }: PlacedChunk) {
  try {
    return name === "VP8L" ? vp8lSize(content) : vp8Size(content);
  } catch {
    return { width: 60, height: 40 };
  }
}

/** Larger sizes are only announced: image data for them would take too long to write. */
function smallSizeOf(piece: PlacedChunk) {
  const { width, height } = sizeOf(piece);
  return { width: Math.min(width, 100), height: Math.min(height, 100) };
}

/** Where the headers of image data are. */
const headBytes = 40;

const bits: Mutations = {
  ...anyBits,
  "flipped bits in a chunk": onContent([], (content, choices) => flipped(content, choices)),
  "flipped bits in the image data": onContent(coded, (content, choices) => flipped(content, choices)),
  "flipped bits at the start of the image data": onContent(coded, (content, choices) =>
    flipped(content, choices, 0, Math.min(headBytes, content.length)),
  ),
  "image data of one value": onContent(coded, (content, choices) =>
    content.fill(pick(choices, [0, 255, 0x55]), choices.below(content.length + 1)),
  ),
  "random image data": onContent(coded, (content, choices) =>
    concat(content.subarray(0, choices.below(headBytes)), randomBytes(choices, choices.below(300))),
  ),
};

const cuts: Mutations = {
  ...anyCuts,
  "chunk cut short": onContent([], (content, choices) =>
    content.subarray(0, choices.below(content.length + 1)),
  ),
  "image data cut short": onContent(coded, (content, choices) =>
    content.subarray(0, choices.below(content.length + 1)),
  ),
  "cut short, with the right size": (bytes, choices) => {
    const out = bytes.slice(0, 12 + choices.below(Math.max(1, bytes.length - 12)));
    setNumber(out, riffSizeAt, out.length - 8, 4);
    return out;
  },
};

const splices: Mutations = {
  ...anySplices,
  "chunk removed": onChunk([], (bytes, piece) => resized(bytes, piece, [])),
  "chunk moved": onChunk([], (bytes, piece, choices) => {
    const without = resized(bytes, piece, []);
    const [place] = onePiece(without, choices);
    return place
      ? resized(without, { ...place, end: place.start }, bytes.subarray(piece.start, piece.end))
      : bytes;
  }),
  "chunk many times": onChunk([], (bytes, piece, choices) => {
    const content = bytes.subarray(piece.start, piece.end);
    const most = Math.max(1, Math.min(100_000, Math.floor(2 ** 20 / content.length)));
    return resized(bytes, { ...piece, end: piece.start }, repeated(content, 1 + choices.below(most)));
  }),
  "chunk of another file": onChunk([], (bytes, piece, choices, other) => {
    const [from] = onePiece(other, choices);
    return from
      ? resized(bytes, { ...piece, end: piece.start }, other.subarray(from.start, from.end))
      : bytes;
  }),
  "chunk replaced by another file's": onChunk([], (bytes, piece, _, other) => {
    const from = piecesOf(other).find(({ name }) => name === piece.name);
    return from ? resized(bytes, piece, other.subarray(from.start, from.end)) : bytes;
  }),
  "chunk of another name": onChunk([], (bytes, piece, choices) =>
    resized(bytes, piece, chunk(pick(choices, names), piece.content)),
  ),
  "chunk of random bytes": before([], (choices) =>
    chunk(pick(choices, names), randomBytes(choices, choices.below(40))),
  ),
  "a file inside the file": before([], (_, other) => other),
};

function onePiece(bytes: Uint8Array, choices: Choices): readonly Piece[] {
  const pieces = piecesOf(bytes);
  return pieces.length === 0 ? [] : [pick(choices, pieces)];
}

/** Sizes that contradict the file. */
function wrongSize(right: number, choices: Choices): number {
  return pick(choices, [
    0,
    1,
    7,
    8,
    right + 1,
    right - 1,
    right + 2,
    right + 8,
    0x7fffffff,
    0xfffffff7,
    0xffffffff,
  ]);
}

const lengths: Mutations = {
  "wrong RIFF size": (bytes, choices) => {
    const out = bytes.slice();
    setNumber(out, riffSizeAt, wrongSize(bytes.length - 8, choices), 4);
    return out;
  },
  "wrong chunk size": onChunk([], (bytes, { start, content }, choices) => {
    const out = bytes.slice();
    setNumber(out, start + 4, wrongSize(content.length, choices), 4);
    return out;
  }),
  "padding removed or added": onChunk([], (bytes, piece, choices) => {
    const { end } = piece;
    const isRemoved = choices.below(2) === 0;
    return resized(bytes, { ...piece, start: isRemoved ? end - 1 : end }, isRemoved ? [] : [0]);
  }),
};

const sides = [1, 2, 16, 17, 40, 60, 1000, 7071, 16_383, 16_384, 65_536, 1 << 24] as const;

/** Wraps the image of a simple file, so that the file has an extended header. */
const extended =
  (flags: (choices: Choices) => number, mutate: Mutate): Mutate =>
  (bytes, choices, other) => {
    const [first] = piecesOf(bytes);
    if (!first || first.name === "VP8X") return mutate(bytes, choices, other);
    const { width, height } = sizeOf(first);
    const header = vp8x(width, height, flags(choices));
    return mutate(resized(bytes, { ...first, end: first.start }, header), choices, other);
  };

const editHeader = (edit: (content: Uint8Array, choices: Choices) => void): Mutate =>
  extended(
    (choices) => choices.below(64),
    onContent(["VP8X"], (content, choices) => {
      edit(content, choices);
      return content;
    }),
  );

const editFrame = (edit: (content: Uint8Array, choices: Choices) => void): Mutate =>
  onContent(["ANMF"], (content, choices) => {
    edit(content, choices);
    return content;
  });

const canvases: Mutations = {
  "other sides of the canvas": editHeader((content, choices) => {
    setNumber(content, 4 + 3 * choices.below(2), pick(choices, sides) - 1, 3);
  }),
  "other flags": editHeader((content, choices) => {
    content[0] = choices.below(256);
  }),
  "header of another length": extended(
    () => 0,
    onContent(["VP8X"], (content, choices) => concat(content, [0, 0, 0]).subarray(0, choices.below(14))),
  ),
  "other place or size of a frame": editFrame((content, choices) => {
    const value = pick(choices, [0, 1, 2, 59, 39, 1000, 0xffffff]);
    setNumber(content, 3 * choices.below(4), value, 3);
  }),
  "other flags of a frame": editFrame((content, choices) => {
    overwrite(content, 15, [choices.below(256)]);
  }),
  "an image as a frame of a large canvas": onChunk(images, (_, piece, choices) => {
    const { width, height } = sizeOf(piece);
    const frame = animationFrame({ x: 0, y: 0, width, height }, chunk(piece.name, piece.content));
    const canvas = vp8x(pick(choices, sides), pick(choices, sides), Vp8xFlag.animation);
    return webpFile(canvas, animationHeader, ...new Array<number[]>(1 + choices.below(3)).fill(frame));
  }),
};

/** Edits the content of a VP8 chunk that is long enough for its header. */
const editVp8 = (edit: (content: Uint8Array, choices: Choices) => void): Mutate =>
  onContent(["VP8 "], (content, choices) => {
    if (content.length >= 10) edit(content, choices);
    return content;
  });

const firstPartitionBytes = (content: Uint8Array) =>
  (content[0]! | (content[1]! << 8) | (content[2]! << 16)) >> 5;

const vp8: Mutations = {
  "other frame tag": editVp8((content, choices) => {
    content[0] = (content[0]! & 0xe0) | choices.below(32);
  }),
  "other size of the first partition": editVp8((content, choices) => {
    const right = firstPartitionBytes(content);
    const size = pick(choices, [
      0,
      1,
      2,
      20,
      right - 1,
      right + 1,
      content.length,
      content.length - 10,
      0x7ffff,
    ]);
    setNumber(content, 0, (size << 5) | (content[0]! & 31), 3);
  }),
  "other start code": editVp8((content, choices) => {
    content[3 + choices.below(3)] = choices.below(256);
  }),
  "other sides": editVp8((content, choices) => {
    setNumber(
      content,
      6 + 2 * choices.below(2),
      pick(choices, [0, 1, 15, 16, 61, 1000, 7071, 16_383, 65_535]),
      2,
    );
  }),
  "other sizes of the partitions": editVp8((content, choices) => {
    const at = 10 + firstPartitionBytes(content) + 3 * choices.below(7);
    setNumber(content, at, pick(choices, [0, 1, 2, 100, content.length, 0xffffff]), 3);
  }),
  "flipped bits in the frame header": editVp8((content, choices) => {
    content.set(flipped(content.slice(), choices, 10, Math.min(content.length, 10 + headBytes)));
  }),
  "modes of one value": editVp8((content, choices) => {
    const end = Math.min(content.length, 10 + firstPartitionBytes(content));
    content.fill(pick(choices, [0, 255, 0xaa]), Math.min(end, 10 + choices.below(60)), end);
  }),
  "coefficients of one value": editVp8((content, choices) => {
    content.fill(pick(choices, [0, 255, 0xaa]), Math.min(content.length, 10 + firstPartitionBytes(content)));
  }),
  "another frame of extreme values": onChunk(images, (bytes, piece, choices) => {
    const { width, height } = smallSizeOf(piece);
    const extreme = {
      ...randomVp8Spec(choices, width, height),
      quantiser: pick(choices, [0, 127]),
      quantiserDeltas: Array.from({ length: 5 }, () => pick(choices, [-15, 0, 15])),
      filterLevel: pick(choices, [0, 63]),
      filterDeltas: Array.from({ length: 8 }, () => pick(choices, [-63, 0, 63])),
      skipProbability: pick(choices, [0, 1, 255]),
      probabilities: new Map([[choices.below(1056), choices.below(256)]]),
    };
    return resized(bytes, piece, chunk("VP8 ", writeVp8(extreme, choices)));
  }),
};

/** The main image of a VP8L stream of one pixel value, which takes no bits per pixel, in groups of prefix codes. */
function manyGroups(choices: Choices, width: number, height: number) {
  const bits = 2 + choices.below(3);
  const count = pick(choices, [1, 2, 100, 2000]);
  const blocks = Math.ceil(width / 2 ** bits) * Math.ceil(height / 2 ** bits);
  const groups = Array.from({ length: blocks }, (_, i) => (i === 0 ? count - 1 : choices.below(count)));
  const blocksPerRow = Math.ceil(width / 2 ** bits);
  const tokens = Array.from({ length: width * height }, (): Token => ({ argb: 0x01020304 }));
  const ofToken = tokens.map((_, i) => {
    return groups[(Math.floor(i / width) >> bits) * blocksPerRow + ((i % width) >> bits)]!;
  });
  const map = { cacheBits: 0, tokens: groups.map((group): Token => ({ argb: group << 8 })) };
  const cacheBits = pick(choices, [0, 1, 11]);
  return { tokens, cacheBits, groups: { bits, image: map, count, ofToken } };
}

/** First bits of a VP8L stream: each transform, no transform, a colour cache, groups; the lowest bit first. */
const streamStarts = [
  "100",
  "101",
  "110",
  "111",
  "0",
  "01",
  "00",
  "011101",
  "001",
  "110100",
  "0000",
  "101101",
] as const;

/** Puts bits before a stream. */
function withBitsBefore(stream: Uint8Array, start: string): Uint8Array {
  const text =
    start + Array.from(stream, (byte) => [...byte.toString(2).padStart(8, "0")].reverse().join("")).join("");
  const bytes = text.match(/.{1,8}/g) ?? [];
  return Uint8Array.from(bytes, (eight) => Number.parseInt([...eight].reverse().join(""), 2));
}

const vp8lHeaderBytes = 5;

const vp8l: Mutations = {
  "other sides": onContent(["VP8L"], (content, choices) => {
    if (content.length < vp8lHeaderBytes) return content;
    const side = () => pick(choices, [1, 2, 59, 61, 1000, 7071, 16_384]) - 1;
    const rest = content[4]! & 0xf0;
    setNumber(content, 1, (side() | (side() << 14)) >>> 0, 4);
    content[4] = (content[4]! & 0x0f) | rest;
    return content;
  }),
  "other alpha bit or version": onContent(["VP8L"], (content, choices) => {
    if (content.length >= vp8lHeaderBytes) content[4] = (content[4]! & 0x0f) | (choices.below(16) << 4);
    return content;
  }),
  "bits before the stream": onContent(["VP8L"], (content, choices) => {
    const start = pick(choices, streamStarts) + choices.below(256).toString(2);
    return concat(
      content.subarray(0, vp8lHeaderBytes),
      withBitsBefore(content.subarray(vp8lHeaderBytes), start),
    );
  }),
  "a start of a stream, then random bytes": onContent(["VP8L"], (content, choices) => {
    const random = randomBytes(choices, choices.below(300));
    return concat(content.subarray(0, vp8lHeaderBytes), withBitsBefore(random, pick(choices, streamStarts)));
  }),
  "another stream, damaged": onChunk(images, (bytes, piece, choices) => {
    const { width, height } = smallSizeOf(piece);
    const { transforms, image } = randomVp8l(choices, width, height);
    const content = writeVp8l(width, height, choices.below(2) === 0, transforms, image);
    return resized(bytes, piece, chunk("VP8L", flipped(content, choices, vp8lHeaderBytes)));
  }),
  "groups of prefix codes": onChunk(images, (bytes, piece, choices) => {
    const { width, height } = smallSizeOf(piece);
    const content = writeVp8l(width, height, true, [], manyGroups(choices, width, height));
    return resized(bytes, piece, chunk("VP8L", content));
  }),
  "a large image that takes no bits": onChunk(images, (bytes, piece, choices) => {
    const one = { tokens: [{ argb: choices.below(2 ** 31) }], cacheBits: 0 };
    const tiles = { bits: 2 + choices.below(8), image: one };
    const transforms = [
      { type: "predictor", ...tiles },
      { type: "colour", ...tiles },
      { type: "subtractGreen" },
      { type: "colourIndexing", colours: 1 + choices.below(256), image: one },
    ] as const;
    const chosen = transforms.filter(() => choices.below(2) === 0);
    const [width, height] = [pick(choices, [60, 1000, 16_384]), pick(choices, [40, 300])];
    return resized(bytes, piece, chunk("VP8L", writeVp8l(width, height, true, chosen, one)));
  }),
};

const alphas: Mutations = {
  "other method, filter or hint": extended(
    () => Vp8xFlag.alpha,
    onContent(["ALPH"], (content, choices) => {
      if (content.length > 0) content[0] = choices.below(256);
      return content;
    }),
  ),
  "another alpha channel": onChunk(images, (bytes, piece, choices) => {
    const { width, height } = smallSizeOf(piece);
    const { transforms, image } = randomVp8l(choices, width, height);
    const isCompressed = choices.below(2) === 0;
    const values = isCompressed
      ? writeVp8lStream(transforms, image)
      : randomBytes(choices, width * height - pick(choices, [0, 0, 1, width]));
    const alpha = chunk("ALPH", [(choices.below(4) << 2) | (isCompressed ? 1 : 0), ...values]);
    const picture = chunk("VP8 ", writeVp8(randomVp8Spec(choices, width, height), choices));
    return resized(bytes, piece, [...alpha, ...picture]);
  }),
};

const exifs: Mutations = Object.fromEntries(
  Object.entries(exifBodies).map(([name, body]) => [
    name,
    extended(
      () => Vp8xFlag.exif,
      before([...images, "ANIM", "EXIF"], (choices, other) => chunk("EXIF", body(choices, other))),
    ),
  ]),
);

const paddings: Mutations = {
  ...anyPaddings,
  "a large chunk": before([], (choices) =>
    chunk(pick(choices, ["ICCP", "XMP ", "EXIF", "ABCD"]), new Uint8Array(pick(choices, sizes))),
  ),
  "thousands of empty chunks": before([], (choices) =>
    repeated(chunk(pick(choices, names), []), pick(choices, [1, 1000, 100_000])),
  ),
  "bytes behind the last chunk": (bytes, choices) => {
    const end = {
      start: bytes.length,
      end: bytes.length,
      outerSizesAt: bytes.length < 12 ? [] : [riffSizeAt],
    };
    return resized(bytes, end, new Uint8Array(1 + choices.below(12)));
  },
  "bytes between name and chunks": (bytes, choices) =>
    inserted(bytes, Math.min(12, bytes.length), randomBytes(choices, choices.below(9))),
};

/** All families of WebP mutations. */
export const webpMutations = {
  ...{ bits, cuts, splices, lengths, canvases },
  ...{ vp8, vp8l, alphas, exifs, paddings },
} as const;

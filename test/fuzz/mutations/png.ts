/** Mutations of PNGs. Unless they damage a checksum on purpose, they correct it, so that the damage reaches the decoder. */
import { deflateSync, inflateSync } from "node:zlib";
import { chunk, pngSignature } from "../../support/png-writer.ts";
import { type Choices, pick, randomBytes } from "../choices.ts";
import { type Bytes, concat, inserted, joined, repeated, replaced } from "../segments.ts";
import { exifBodies } from "./headers.ts";
import {
  anyBits,
  anyCuts,
  anyPaddings,
  anySplices,
  flipped,
  type Mutate,
  type Mutations,
  overwrite,
  sizes,
} from "./mutation.ts";

/** A chunk with its place in the file. */
interface Piece {
  readonly type: string;
  readonly start: number;
  readonly body: Uint8Array;
  readonly end: number;
}

/** Returns the chunks of a file, as far as its structure can be followed. */
function piecesOf(bytes: Uint8Array): Piece[] {
  const pieces: Piece[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let start = pngSignature.length; start + 12 <= bytes.length; ) {
    const end = start + 12 + view.getUint32(start);
    if (end > bytes.length) break;
    const type = String.fromCharCode(...bytes.subarray(start + 4, start + 8));
    pieces.push({ type, start, body: bytes.subarray(start + 8, end - 4), end });
    start = end;
  }
  return pieces;
}

/** Chooses a chunk of these types, or any, and changes the file there. */
const onChunk =
  (
    types: readonly string[],
    change: (bytes: Uint8Array, piece: Piece, choices: Choices, other: Uint8Array) => Uint8Array,
  ): Mutate =>
  (bytes, choices, other) => {
    const pieces = piecesOf(bytes).filter(({ type }) => types.length === 0 || types.includes(type));
    return pieces.length === 0 ? bytes : change(bytes, pick(choices, pieces), choices, other);
  };

/** Chooses a chunk and replaces its body by a copy that `edit` changes or returns. */
const onBody = (types: readonly string[], edit: (body: Uint8Array, choices: Choices) => Uint8Array): Mutate =>
  onChunk(types, (bytes, { type, start, body, end }, choices) =>
    replaced(bytes, start, end, chunk(type, edit(body.slice(), choices))),
  );

/** Inserts bytes before a chunk. */
const before = (types: readonly string[], make: (choices: Choices, other: Uint8Array) => Bytes): Mutate =>
  onChunk(types, (bytes, { start }, choices, other) => inserted(bytes, start, make(choices, other)));

/** Replaces all IDAT chunks by chunks made from their content. A file without them, or with broken ones, is unchanged. */
const onData =
  (change: (data: Uint8Array, choices: Choices) => readonly Uint8Array[]): Mutate =>
  (bytes, choices) => {
    const pieces = piecesOf(bytes).filter(({ type }) => type === "IDAT");
    if (pieces.length === 0) return bytes;
    const data = joined(pieces.map(({ body }) => body));
    const chunks = change(data, choices).map((body) => chunk("IDAT", body));
    return replaced(bytes, pieces[0]!.start, pieces.at(-1)!.end, joined(chunks));
  };

/** Changes the filtered rows and compresses them again. */
const onRows = (change: (rows: Uint8Array, choices: Choices) => Uint8Array): Mutate =>
  onData((data, choices) => {
    const rows = inflated(data);
    if (!rows) return [data];
    return [new Uint8Array(deflateSync(change(rows, choices), { level: pick(choices, [0, 1, 6, 9]) }))];
  });

function inflated(data: Uint8Array): Uint8Array | undefined {
  try {
    return new Uint8Array(inflateSync(data, { maxOutputLength: 2 ** 25 }));
  } catch {
    return undefined;
  }
}

/** Any kind of chunk, known or not. */
const types = [
  "IHDR",
  "PLTE",
  "IDAT",
  "IEND",
  "tRNS",
  "eXIf",
  "acTL",
  "fdAT",
  "CgBI",
  "ABCD",
  "abcd",
  "ab1d",
];
const sides = [0, 1, 2, 7, 24, 40, 1000, 7071, 65_536, 5_000_000, 50_000_000, 0x7fffffff, 0xffffffff];

/** Writes a big-endian number of 32 bits. */
function setUint32(out: Uint8Array, at: number, value: number): void {
  overwrite(out, at, [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255]);
}

const bits: Mutations = {
  ...anyBits,
  "flipped bits in a chunk": onBody([], flipped),
  "flipped bits in the image data": onBody(["IDAT"], flipped),
  "flipped bits in the rows": onRows(flipped),
  "wrong checksum": onChunk([], (bytes, { type, start, body, end }, choices) =>
    replaced(bytes, start, end, chunk(type, body, choices.below(2 ** 32))),
  ),
};

const cuts: Mutations = {
  ...anyCuts,
  "cut short, end glued on": (bytes, choices) =>
    concat(bytes.subarray(0, choices.below(bytes.length + 1)), chunk("IEND")),
  "image data cut short": onData((data, choices) => [data.slice(0, choices.below(data.length + 1))]),
};

const splices: Mutations = {
  "chunk removed": onChunk([], (bytes, { start, end }) => replaced(bytes, start, end, [])),
  "chunk moved": onChunk([], (bytes, { start, end }, choices) => {
    const without = replaced(bytes, start, end, []);
    const place = pick(choices, piecesOf(without))?.start ?? without.length;
    return inserted(without, place, bytes.subarray(start, end));
  }),
  "chunk many times": onChunk([], (bytes, { start, end }, choices) => {
    const most = Math.max(1, Math.min(100_000, Math.floor(2 ** 21 / (end - start))));
    return inserted(bytes, start, repeated(bytes.subarray(start, end), 1 + choices.below(most)));
  }),
  "chunk of another file": onChunk([], (bytes, { start }, choices, other) => {
    const piece = pick(choices, piecesOf(other));
    return inserted(bytes, start, other.subarray(piece.start, piece.end));
  }),
  "chunk replaced by another file's": onChunk([], (bytes, { type, start, end }, _, other) => {
    const piece = piecesOf(other).find((candidate) => candidate.type === type);
    return piece ? replaced(bytes, start, end, other.subarray(piece.start, piece.end)) : bytes;
  }),
  "chunk of another type": onChunk([], (bytes, { start, body, end }, choices) =>
    replaced(bytes, start, end, chunk(pick(choices, types), body)),
  ),
  "chunk of random bytes": before([], (choices) =>
    chunk(pick(choices, types), randomBytes(choices, choices.below(40))),
  ),
  "wrong chunk length": onChunk([], (bytes, { start, body }, choices) => {
    const out = bytes.slice();
    const right = body.length;
    setUint32(out, start, pick(choices, [0, 1, right + 1, Math.max(0, right - 1), 0x7fffffff, 0xffffffff]));
    return out;
  }),
  ...anySplices,
};

const headers: Mutations = {
  "other sides": onBody(["IHDR"], (body, choices) => {
    setUint32(body, 4 * choices.below(2), pick(choices, sides));
    return body;
  }),
  "both sides": onBody(["IHDR"], (body, choices) => {
    for (const at of [0, 4]) setUint32(body, at, pick(choices, sides));
    return body;
  }),
  "other bit depth": onBody(["IHDR"], (body, choices) => {
    body[8] = pick(choices, [0, 1, 2, 3, 4, 8, 16, 32, 255]);
    return body;
  }),
  "other colour type": onBody(["IHDR"], (body, choices) => {
    body[9] = pick(choices, [0, 1, 2, 3, 4, 5, 6, 7, 255]);
    return body;
  }),
  "other bit depth and colour type": onBody(["IHDR"], (body, choices) => {
    overwrite(body, 8, [pick(choices, [1, 2, 4, 8, 16]), pick(choices, [0, 2, 3, 4, 6])]);
    return body;
  }),
  "other methods": onBody(["IHDR"], (body, choices) => {
    body[10 + choices.below(3)] = pick(choices, [0, 1, 2, 255]);
    return body;
  }),
  "header of another length": onBody(["IHDR"], (body, choices) =>
    concat(body, [0, 0, 0]).subarray(0, choices.below(16)),
  ),
};

const palettes: Mutations = {
  "palette of another length": onBody(["PLTE"], (_, choices) =>
    randomBytes(choices, pick(choices, [0, 1, 2, 3, 6, 47, 48, 768, 769, 771])),
  ),
  "transparency of another length": before(["IDAT"], (choices) =>
    chunk("tRNS", randomBytes(choices, pick(choices, [0, 1, 2, 3, 6, 16, 256, 257]))),
  ),
  "palette and transparency before the data": before(["IDAT"], (choices) => {
    const parts = [
      chunk("PLTE", randomBytes(choices, 3 * choices.below(20))),
      chunk("tRNS", [choices.below(256)]),
    ];
    return concat(...(choices.below(2) === 0 ? parts : parts.reverse()));
  }),
};

const data: Mutations = {
  "rows cut short": onRows((rows, choices) => rows.slice(0, choices.below(rows.length + 1))),
  "more rows": onRows((rows, choices) => concat(rows, new Uint8Array(pick(choices, sizes)))),
  "other filters": onRows((rows, choices) => {
    const out = rows.slice();
    for (let changes = 1 + choices.below(20); changes > 0; changes--) {
      if (out.length > 0) out[choices.below(out.length)] = choices.below(6);
    }
    return out;
  }),
  "rows of one value": onRows((rows, choices) => rows.map(() => pick(choices, [0, 1, 2, 3, 4]))),
  "tiny chunks": onData((content, choices) => {
    const size = 1 + choices.below(5);
    const count = Math.ceil(Math.min(content.length, 200_000) / size);
    const parts = Array.from({ length: count }, (_, i) => content.slice(i * size, (i + 1) * size));
    return [...parts, content.slice(count * size)];
  }),
  "empty chunks": onData((content, choices) => {
    const at = choices.below(content.length + 1);
    const empty = new Array<Uint8Array>(pick(choices, [1, 2, 1000, 100_000])).fill(new Uint8Array(0));
    return [content.slice(0, at), ...empty, content.slice(at)];
  }),
  "bytes behind the compressed data": onData((content, choices) => [
    concat(content, randomBytes(choices, 1 + choices.below(9))),
  ]),
  "other zlib header": onData((content, choices) => {
    const out = content.slice();
    const [method, flags] = pick(choices, [
      [0x78, 0x20],
      [0x08, 0x1d],
      [0x79, 0x01],
      [0x00, 0x00],
      [0x88, 0x1c],
    ]);
    if (out.length > 1) out.set([method!, flags!]);
    return [out];
  }),
  "empty deflate blocks": onData((content, choices) => {
    const empty = repeated([0, 0, 0, 0xff, 0xff], pick(choices, [1, 1000, 200_000]));
    return [concat(content.subarray(0, 2), empty, content.subarray(2))];
  }),
  "random image data": onData((_, choices) => [
    concat([0x78, 0x9c], randomBytes(choices, choices.below(200))),
  ]),
};

const exifs: Mutations = Object.fromEntries(
  Object.entries(exifBodies).map(([name, body]) => [
    name,
    before(["PLTE", "IDAT", "IEND"], (choices, other) => chunk("eXIf", body(choices, other))),
  ]),
);

const paddings: Mutations = {
  "a large chunk": before(["PLTE", "IDAT", "IEND"], (choices) =>
    chunk(pick(choices, ["tEXt", "zTXt", "iCCP", "prVt"]), new Uint8Array(pick(choices, sizes))),
  ),
  "thousands of empty chunks": before(["PLTE", "IDAT", "IEND"], (choices) =>
    repeated(chunk(pick(choices, ["tEXt", "eXIf", "tRNS", "gAMA"])), pick(choices, [1, 1000, 100_000])),
  ),
  "animation chunks": before(["IDAT", "IEND"], (choices) => {
    const frame = chunk("fdAT", randomBytes(choices, 20));
    return concat(chunk("acTL", [0, 0, 0, 2, 0, 0, 0, 0]), chunk("fcTL", randomBytes(choices, 26)), frame);
  }),
  ...anyPaddings,
};

/** All families of PNG mutations. */
export const pngMutations = { bits, cuts, splices, headers, palettes, data, exifs, paddings } as const;

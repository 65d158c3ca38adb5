/** Mutations of GIFs. */
import { LzwWriter, subBlocks } from "../../support/gif-writer.ts";
import { type Choices, pick, randomBytes } from "../choices.ts";
import { ascii, type Bytes, concat, inserted, joined, repeated, replaced } from "../segments.ts";
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

/** An extension or an image, with its place in the file. */
interface Block {
  readonly kind: "control" | "extension" | "image";
  readonly start: number;
  /** The sub-blocks: after the label of an extension, or after the code size of an image. */
  readonly data: number;
  readonly end: number;
}

const screenBytes = 13;
const frameBytes = 10;

const tableBytes = (packed: number) => ((packed & 0x80) === 0 ? 0 : 3 * (2 << (packed & 7)));

/** Returns the blocks of a file, as far as its structure can be followed. */
function blocksOf(bytes: Uint8Array): Block[] {
  const blocks: Block[] = [];
  let start = screenBytes + tableBytes(bytes[10] ?? 0);
  while (start + 2 < bytes.length) {
    const isImage = bytes[start] === 0x2c;
    if (!isImage && bytes[start] !== 0x21) break;
    const data = start + (isImage ? frameBytes + tableBytes(bytes[start + 9] ?? 0) + 1 : 2);
    const end = subBlocksEnd(bytes, data);
    const kind = isImage ? "image" : bytes[start + 1] === 0xf9 ? "control" : "extension";
    blocks.push({ kind, start, data: Math.min(data, end), end });
    start = end;
  }
  return blocks;
}

function subBlocksEnd(bytes: Uint8Array, start: number): number {
  let at = start;
  while (at < bytes.length && bytes[at] !== 0) at += 1 + bytes[at]!;
  return Math.min(bytes.length, at + 1);
}

/** Offsets of the sub-blocks' lengths. */
function lengthsIn(bytes: Uint8Array, { data, end }: Block): number[] {
  const places: number[] = [];
  for (let at = data; at < end; at += 1 + bytes[at]!) places.push(at);
  return places;
}

/** The content of the sub-blocks. */
function contentOf(bytes: Uint8Array, block: Block): Uint8Array {
  return joined(lengthsIn(bytes, block).map((at) => bytes.subarray(at + 1, at + 1 + bytes[at]!)));
}

type Change = (bytes: Uint8Array, block: Block, choices: Choices, other: Uint8Array) => Uint8Array;

/** Chooses a block of this kind, or any, and changes the file there. */
const onBlock =
  (kind: Block["kind"] | undefined, change: Change): Mutate =>
  (bytes, choices, other) =>
    onOne(
      (file) => blocksOf(file).filter((block) => kind === undefined || block.kind === kind),
      (file, block, more) => change(file, block, more, other),
    )(bytes, choices, other);

/** Chooses an image and writes into a copy of the file. */
const editImage = (edit: (out: Uint8Array, image: Block, choices: Choices) => void): Mutate =>
  onBlock("image", (bytes, image, choices) => {
    const out = bytes.slice();
    edit(out, image, choices);
    return out;
  });

/** Replaces the LZW data of an image. `make` gets the old data. */
const onData = (make: (data: Uint8Array, choices: Choices) => ArrayLike<number>): Mutate =>
  onBlock("image", (bytes, image, choices) =>
    replaced(bytes, image.data, image.end, subBlocks(make(contentOf(bytes, image), choices))),
  );

/** Inserts bytes before a block. */
const before = (make: (choices: Choices, other: Uint8Array) => Bytes): Mutate =>
  onBlock(undefined, (bytes, { start }, choices, other) => inserted(bytes, start, make(choices, other)));

const bits: Mutations = {
  ...anyBits,
  "flipped bits in a block": onBlock(undefined, (bytes, { start, end }, choices) =>
    flipped(bytes, choices, start, end),
  ),
  "flipped bits in the headers": (bytes, choices) =>
    flipped(bytes, choices, 0, Math.min(bytes.length, screenBytes)),
  "flipped bits in the image data": onData((data, choices) => flipped(data, choices)),
  "image data of one value": onData((data, choices) => data.map(() => pick(choices, [0, 255, 0x55]))),
  "random image data": onData((_, choices) => randomBytes(choices, choices.below(400))),
};

const cuts: Mutations = {
  ...anyCuts,
  "cut short, end glued on": (bytes, choices) =>
    concat(bytes.subarray(0, choices.below(bytes.length + 1)), [0, 0x3b]),
  "image data cut short": onData((data, choices) => data.subarray(0, choices.below(data.length + 1))),
};

const introducers = [0x00, 0x21, 0x2c, 0x3b, 0x3c, 0xff] as const;

const splices: Mutations = {
  ...anySplices,
  "block removed": onBlock(undefined, (bytes, { start, end }) => replaced(bytes, start, end, [])),
  "block many times": onBlock(undefined, (bytes, { start, end }, choices) => {
    const most = Math.max(1, Math.min(100_000, Math.floor(2 ** 20 / (end - start))));
    return inserted(bytes, start, repeated(bytes.subarray(start, end), 1 + choices.below(most)));
  }),
  "block of another file": before((choices, other) => {
    const { start, end } = pick(choices, blocksOf(other));
    return other.subarray(start, end);
  }),
  "block of another kind": onBlock(undefined, (bytes, { start }, choices) =>
    replaced(bytes, start, start + 1, [pick(choices, introducers)]),
  ),
  "other bytes before a block": before((choices) => [pick(choices, introducers), choices.below(256)]),
};

const sides = [0, 1, 2, 23, 25, 40, 1000, 7071, 65_535] as const;

/** Writes a little-endian number of 16 bits. */
function setUint16(out: Uint8Array, at: number, value: number): void {
  overwrite(out, at, [value & 255, value >> 8]);
}

const screens: Mutations = {
  "other version": (bytes, choices) =>
    replaced(bytes, 3, 6, ascii(pick(choices, ["87a", "89b", "88a", "90a"]))),
  "other sides of the screen": (bytes, choices) => {
    const out = bytes.slice();
    setUint16(out, 6 + 2 * choices.below(2), pick(choices, sides));
    return out;
  },
  "other flags of the screen": (bytes, choices) => {
    const out = bytes.slice();
    overwrite(out, 10, [choices.below(256)]);
    return out;
  },
  "colour table removed": (bytes) => {
    const end = screenBytes + tableBytes(bytes[10] ?? 0);
    const out = replaced(bytes, screenBytes, end, []);
    if (out.length > 10) out[10]! &= 0x7f;
    return out;
  },
};

const frames: Mutations = {
  "other place of a frame": editImage((out, { start }, choices) => {
    setUint16(out, start + 1 + 2 * choices.below(2), pick(choices, sides));
  }),
  "other sides of a frame": editImage((out, { start }, choices) => {
    setUint16(out, start + 5 + 2 * choices.below(2), pick(choices, sides));
  }),
  "other flags of a frame": editImage((out, { start }, choices) => {
    overwrite(out, start + 9, [choices.below(256)]);
  }),
  "interlaced or not": editImage((out, { start }) => {
    if (start + 9 < out.length) out[start + 9]! ^= 0x40;
  }),
  "other code size": editImage((out, { data }, choices) => {
    out[data - 1] = pick(choices, [0, 1, 2, 3, 5, 7, 8, 9, 11, 12, 255]);
  }),
};

const control = (choices: Choices) => [0x21, 0xf9, 4, choices.below(256), 0, 0, choices.below(256), 0];

const controls: Mutations = {
  "graphic control": before(control),
  "thousands of graphic controls": before((choices) =>
    repeated(control(choices), pick(choices, [2, 1000, 60_000])),
  ),
  "graphic control of another length": before((choices) => [
    ...[0x21, 0xf9, ...subBlocks(randomBytes(choices, choices.below(8)))],
  ]),
  "graphic control without an end": before((choices) => control(choices).slice(0, -1)),
};

const blocks: Mutations = {
  "wrong sub-block length": onBlock(undefined, (bytes, block, choices) => {
    const places = lengthsIn(bytes, block);
    if (places.length === 0) return bytes;
    const at = pick(choices, places);
    const right = bytes[at]!;
    return bytes.with(at, pick(choices, [0, 1, right - 1, right + 1, 254, 255]));
  }),
  "other sub-blocks": onBlock("image", (bytes, image, choices) => {
    const size = pick(choices, [1, 2, 3, 100, 254]);
    return replaced(bytes, image.data, image.end, subBlocks(contentOf(bytes, image), size));
  }),
  "an empty sub-block": onBlock(undefined, (bytes, block, choices) => {
    const places = lengthsIn(bytes, block);
    return places.length === 0 ? bytes : inserted(bytes, pick(choices, places), [0]);
  }),
  "no last sub-block": onBlock(undefined, (bytes, { end }) => replaced(bytes, end - 1, end, [])),
};

/** Writes a stream of codes. `next` chooses each, or clears the table, or ends the stream. */
const codes = (next: (writer: LzwWriter, choices: Choices, isFirst: boolean) => void): Mutate =>
  onBlock("image", (bytes, image, choices) => {
    const codeBits = bytes[image.data - 1]!;
    if (codeBits < 2 || codeBits > 8) return bytes;
    const writer = new LzwWriter(codeBits);
    if (choices.below(8) > 0) writer.clear();
    const count = pick(choices, [1, 10, 300, 5000]);
    for (let i = 0; i < count; i++) next(writer, choices, i === 0);
    writer.end();
    return replaced(bytes, image.data, image.end, subBlocks(writer.bytes()));
  });

const lzw: Mutations = {
  "codes that exist": codes((writer, choices, isFirst) => {
    const code = choices.below(isFirst ? writer.clearCode : writer.nextCode);
    writer.put(code === writer.clearCode || code === writer.clearCode + 1 ? 0 : code);
  }),
  "codes of the string that they add": codes((writer, choices, isFirst) =>
    writer.put(isFirst ? choices.below(writer.clearCode) : Math.min(4095, writer.nextCode)),
  ),
  "codes of any value": codes((writer, choices) =>
    writer.put(choices.below(4096) & (2 * writer.nextCode - 1)),
  ),
  "codes with one that does not exist": codes((writer, choices, isFirst) =>
    writer.put(choices.below(40) === 0 ? writer.nextCode + 1 : isFirst ? 0 : choices.below(writer.clearCode)),
  ),
  "clear codes": codes((writer, choices) => (choices.below(4) === 0 ? writer.put(0) : writer.clear())),
  "end codes": codes((writer, choices) => (choices.below(40) === 0 ? writer.end() : writer.put(0))),
};

const labels = [0x00, 0x01, 0xce, 0xf9, 0xfe, 0xff] as const;

const paddings: Mutations = {
  ...anyPaddings,
  "a large extension": before((choices) => [
    ...[0x21, pick(choices, labels), ...subBlocks(new Uint8Array(pick(choices, sizes)))],
  ]),
  "thousands of empty extensions": before((choices) =>
    repeated([0x21, pick(choices, labels), 0], pick(choices, [1, 1000, 100_000])),
  ),
  "application extension": before((choices) => [
    ...[0x21, 0xff, 11, ...ascii(pick(choices, ["NETSCAPE2.0", "XMP DataXMP", "ICCRGBG1012"]))],
    ...subBlocks(randomBytes(choices, choices.below(600))),
  ]),
};

/** All families of GIF mutations. */
export const gifMutations = {
  ...{ bits, cuts, splices, screens, frames },
  ...{ controls, blocks, lzw, paddings },
} as const;

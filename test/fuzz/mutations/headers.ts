/** Mutations of headers that contradict the file: frames, scans, tables, restarts, Exif. */
import { segment } from "../../../bench/pictures/jpeg-writer.ts";
import { type Choices, pick, randomBytes } from "../choices.ts";
import {
  ascii,
  type Bytes,
  concat,
  frameMarkers,
  inserted,
  piecesWith,
  repeated,
  replaced,
} from "../segments.ts";
import {
  editPiece,
  has,
  isScan,
  type Mutate,
  type Mutations,
  onOne,
  onPiece,
  overwrite,
} from "./mutation.ts";

const isFrame = has(...frameMarkers);

/** The body of a frame header is: precision, height (2 bytes), width (2 bytes), component count, components (3 bytes each). */
const editFrame = (change: (out: Uint8Array, body: number, choices: Choices) => void) =>
  editPiece(isFrame, (out, { body }, choices) => change(out, body, choices));

/** Replaces one byte of every component: its id (0), sampling factors (1) or quantisation table (2). */
const editComponents = (byte: number, value: (choices: Choices) => number) =>
  editFrame((out, body, choices) => {
    const count = out[body + 5] ?? 0;
    for (let i = 0; i < count; i++) out[body + 6 + byte + 3 * i] = value(choices);
  });

const uint16 = (value: number) => [value >> 8, value & 255];
const sides = [0, 1, 7, 8, 255, 256, 4096, 7071, 32_768, 65_535] as const;
const factors = [0x00, 0x01, 0x10, 0x11, 0x12, 0x21, 0x22, 0x14, 0x41, 0x44, 0x31, 0x23, 0xff, 0x5f] as const;

/** Frame headers that contradict the file. */
export const frames: Mutations = {
  "huge or empty sides": editFrame((out, body, choices) => {
    for (const at of [body + 1, body + 3]) overwrite(out, at, uint16(pick(choices, sides)));
  }),
  "other sides": editFrame((out, body, choices) => {
    const at = body + 1 + 2 * choices.below(2);
    overwrite(out, at, uint16(choices.below(3000)));
  }),
  "other sampling factors": editComponents(1, (choices) => pick(choices, factors)),
  "component ids repeated or swapped": editComponents(0, (choices) =>
    pick(choices, [0, 1, 2, 3, 4, 82, 71, 66, 255]),
  ),
  "other quantisation tables": editComponents(2, (choices) => choices.below(6)),
  "other number of components": editFrame((out, body, choices) => {
    out[body + 5] = pick(choices, [0, 1, 2, 3, 4, 5, 255]);
  }),
  "other precision": editFrame((out, body, choices) => {
    out[body] = pick(choices, [0, 1, 2, 9, 12, 16, 255]);
  }),
  "other process": editPiece(isFrame, (out, { start }, choices) => {
    out[start + 1] = pick(choices, frameMarkers);
  }),
  "another frame header"(bytes, choices) {
    const places = piecesWith(bytes, 0xc0, 0xc2, 0xc4, 0xda, 0xd9);
    if (places.length === 0) return bytes;
    const marker = pick(choices, [0xc0, 0xc1, 0xc2]);
    const side = () => [choices.below(256), choices.below(256)];
    const frame = [0xff, marker, 0, 11, 8, ...side(), ...side(), 1, 1, 0x11, 0];
    return inserted(bytes, pick(choices, places).start, frame);
  },
};

/** The body of a scan header is: component count, components (id, tables), spectral selection (2 bytes), approximation. */
const editScan = (change: (out: Uint8Array, body: number, count: number, choices: Choices) => void) =>
  editPiece(isScan, (out, { body }, choices) => change(out, body, Math.min(4, out[body] ?? 0), choices));

/** Returns the component ids of the first frame. */
function componentIds(bytes: Uint8Array): number[] {
  const [frame] = piecesWith(bytes, ...frameMarkers);
  if (!frame) return [1];
  const count = Math.min(4, bytes[frame.body + 5] ?? 1);
  return Array.from({ length: count }, (_, i) => bytes[frame.body + 6 + 3 * i] ?? i);
}

/** Adds scans of one component each that take almost no bytes, before the last end of the file. */
const bomb =
  (...selection: readonly [start: number, end: number, approximation: number]): Mutate =>
  (bytes, choices) => {
    const end = piecesWith(bytes, 0xd9).at(-1)?.start ?? bytes.length;
    const id = pick(choices, componentIds(bytes));
    const data = pick(choices, [[0], [0, 0, 0, 0], [0x7f], []]);
    const scan = [...segment(0xda, [1, id, 0, ...selection]), ...data];
    return inserted(bytes, end, repeated(scan, pick(choices, [1, 8, 31, 64, 300, 2000, 5000, 20_000])));
  };

const spectra = [0, 1, 2, 5, 63, 64, 255] as const;

/** Wrong scan headers, and bombs of scans. */
export const scans: Mutations = {
  "other spectral selection": editScan((out, body, count, choices) => {
    out[body + 1 + 2 * count] = pick(choices, spectra);
    out[body + 2 + 2 * count] = pick(choices, spectra);
  }),
  "other successive approximation": editScan((out, body, count, choices) => {
    out[body + 3 + 2 * count] = choices.below(256);
  }),
  "other table selectors": editScan((out, body, count, choices) => {
    const tables = [0x00, 0x11, 0x10, 0x01, 0x22, 0x33, 0xff];
    for (let i = 0; i < count; i++) out[body + 2 + 2 * i] = pick(choices, tables);
  }),
  "other components in a scan": editScan((out, body, count, choices) => {
    for (let i = 0; i < count; i++) out[body + 1 + 2 * i] = choices.below(5);
  }),
  "other number of components in a scan": editScan((out, body, _, choices) => {
    out[body] = pick(choices, [0, 1, 2, 3, 4, 5, 255]);
  }),
  "bomb of AC refinements": bomb(1, 63, 0x10),
  "bomb of AC scans": bomb(1, 63, 0x00),
  "bomb of DC refinements": bomb(0, 0, 0x10),
  "bomb of DC scans": bomb(0, 0, 0x00),
  "bomb of sequential scans": bomb(0, 63, 0),
};

/** Inserts bytes before a scan. */
const beforeScan = (make: (choices: Choices) => Bytes) =>
  onPiece(isScan, (bytes, { start }, choices) => inserted(bytes, start, make(choices)));

/** Chooses the class and slot of a Huffman table, mostly values that files use. */
const place = (choices: Choices) => pick(choices, [0x00, 0x10, 0x01, 0x11, 0x03, 0x13, 0x24, 0xff]);

/** Returns how many codes have 1 to 16 bits: 0 unless given. */
const counts = (given: Readonly<Record<number, number>>) =>
  Array.from({ length: 16 }, (_, i) => given[i + 1] ?? 0);

const huffman = (choices: Choices, codes: number[], symbols: Bytes) =>
  segment(0xc4, [place(choices), ...codes, ...symbols]);

/** Huffman and quantisation tables that no encoder writes. */
export const tables: Mutations = {
  "empty Huffman table": beforeScan((choices) => huffman(choices, counts({}), [])),
  "Huffman table of one code": beforeScan((choices) =>
    huffman(choices, counts({ [1 + choices.below(16)]: 1 }), [choices.below(256)]),
  ),
  "Huffman table of two codes of 1 bit": beforeScan((choices) =>
    huffman(choices, counts({ 1: 2 }), [choices.below(256), choices.below(256)]),
  ),
  "Huffman table of long codes alone": beforeScan((choices) =>
    huffman(choices, counts({ 16: 255 }), randomBytes(choices, 255)),
  ),
  "oversubscribed Huffman table": beforeScan((choices) =>
    huffman(choices, counts({ 1: 3, 2: choices.below(9) }), randomBytes(choices, 11)),
  ),
  "Huffman table of 16 x 255 codes": beforeScan((choices) =>
    huffman(choices, new Array<number>(16).fill(255), randomBytes(choices, 300)),
  ),
  "random Huffman table": beforeScan((choices) => {
    const codes = Array.from({ length: 16 }, (_, i) => choices.below(Math.min(16, 1 + i)));
    return huffman(choices, codes, randomBytes(choices, choices.below(codes.reduce((a, b) => a + b) + 3)));
  }),
  "Huffman table that never ends": beforeScan((choices) =>
    segment(0xc4, [place(choices), ...counts({ 8: 99 })]),
  ),
  "thousands of Huffman tables": beforeScan((choices) =>
    repeated(huffman(choices, counts({ 16: 1 }), [0]), 1 + choices.below(10_000)),
  ),
  "quantisation table of one value": beforeScan((choices) => {
    const value = pick(choices, [0, 1, 255]);
    return segment(0xdb, [choices.below(4), ...new Array<number>(64).fill(value)]);
  }),
  "quantisation table of 16-bit values": beforeScan((choices) => {
    const value = pick(choices, [0, 127, 255]);
    return segment(0xdb, [0x10 | choices.below(4), ...new Array<number>(128).fill(value)]);
  }),
  "quantisation table cut short": beforeScan((choices) =>
    segment(0xdb, [choices.below(32), ...randomBytes(choices, choices.below(130))]),
  ),
  "thousands of quantisation tables": beforeScan((choices) =>
    repeated(segment(0xdb, [choices.below(4), ...new Array<number>(64).fill(3)]), 1 + choices.below(4000)),
  ),
  "arithmetic conditioning": beforeScan(() => segment(0xcc, [0x00, 0x10, 0x10, 0x05])),
  "no Huffman tables"(bytes) {
    let out = bytes;
    for (const { start, end } of piecesWith(bytes, 0xc4).reverse()) {
      out = replaced(out, start, end, []);
    }
    return out;
  },
};

/** Returns the offsets of the RSTn markers in the scans. */
function restartMarkers(bytes: Uint8Array): number[] {
  const found: number[] = [];
  for (const { dataStart, end } of piecesWith(bytes, 0xda)) {
    for (let at = bytes.indexOf(0xff, dataStart); at >= 0 && at < end; at = bytes.indexOf(0xff, at + 1)) {
      const next = bytes[at + 1] ?? 0;
      if (next >= 0xd0 && next <= 0xd7) found.push(at);
    }
  }
  return found;
}

/** Restart intervals and markers that contradict the file. */
export const restarts: Mutations = {
  "other restart interval"(bytes, choices) {
    const places = piecesWith(bytes, 0xda, 0xc0, 0xc2);
    if (places.length === 0) return bytes;
    const interval = pick(choices, [0, 1, 2, 3, 255, 65_535]);
    return inserted(bytes, pick(choices, places).start, segment(0xdd, uint16(interval)));
  },
  "restart interval of a wrong length"(bytes, choices) {
    const [scan] = piecesWith(bytes, 0xda);
    const body = new Array<number>(choices.below(5)).fill(1);
    return scan ? inserted(bytes, scan.start, segment(0xdd, body)) : bytes;
  },
  "wrong restart number": onOne(restartMarkers, (bytes, at, choices) =>
    replaced(bytes, at + 1, at + 2, [0xd0 + choices.below(8)]),
  ),
  "restart marker removed": onOne(restartMarkers, (bytes, at) => replaced(bytes, at, at + 2, [])),
  "restart markers in image data": onPiece(isScan, (bytes, { dataStart, end }, choices) => {
    const marker = [0xff, 0xd0 + choices.below(8)];
    const times = pick(choices, [1, 2, 8, 1000, 100_000]);
    return inserted(bytes, dataStart + choices.below(end - dataStart + 1), repeated(marker, times));
  }),
};

const signature = ascii("Exif\0\0");
/** Orientation, and the pointers to the directories of Exif, GPS, interoperability and sub-images; thumbnail; notes. */
const exifTags = [0x0112, 0x8769, 0x8825, 0xa005, 0x014a, 0x0201, 0x927c, 0x02bc, 0x83bb, 0xffff] as const;

type Entry = readonly [tag: number, type: number, count: number, value: number];

/** Makes a little-endian TIFF of one directory. */
function tiff(entries: readonly Entry[], next: number): Uint8Array {
  const out = new DataView(new ArrayBuffer(8 + 2 + 12 * entries.length + 4));
  out.setUint32(0, 0x49492a00);
  out.setUint32(4, 8, true);
  out.setUint16(8, entries.length, true);
  entries.forEach(([tag, type, count, value], i) => {
    out.setUint16(10 + 12 * i, tag, true);
    out.setUint16(12 + 12 * i, type, true);
    out.setUint32(14 + 12 * i, count, true);
    out.setUint32(18 + 12 * i, value, true);
  });
  out.setUint32(10 + 12 * entries.length, next, true);
  return new Uint8Array(out.buffer);
}

/** Makes the body of an Exif segment or chunk. */
type ExifBody = (choices: Choices, other: Uint8Array) => Uint8Array;

/** Inserts a segment after the start of the file, because only the first Exif segment counts. */
const exif =
  (body: ExifBody): Mutate =>
  (bytes, choices, other) => {
    const content = concat(signature, body(choices, other)).subarray(0, 65_533);
    return inserted(bytes, Math.min(2, bytes.length), segment(0xe1, [...content]));
  };

const orientation = (choices: Choices): Entry => {
  const type = pick(choices, [1, 2, 3, 4, 7, 13, 0]);
  return [0x0112, type, pick(choices, [0, 1, 2, 0xffffffff]), choices.below(12)];
};

const otherFormats = [
  "\x89PNG\r\n\x1a\n",
  "RIFF\xff\xff\xff\xffWEBPVP8X",
  "\0\0\0\x18ftypheic",
  "GIF89a",
  "\xff\xd8\xff\xe1",
  "\0\0\0\x0cJXL ",
];

/** Misleading Exif. */
export const exifBodies: Readonly<Record<string, ExifBody>> = {
  "Exif orientation of any kind": (choices) => tiff([orientation(choices)], 0),
  "Exif directories that point at themselves": (choices) => {
    const entry = (tag: number): Entry => [tag, 4, 1, pick(choices, [0, 8, 10, 20])];
    return tiff(exifTags.map(entry), 8);
  },
  "Exif with thousands of entries": (choices) => {
    const [tag, type] = [pick(choices, exifTags), choices.below(14)];
    const entry: Entry = [tag, type, pick(choices, [1, 65_000, 0xffffffff]), choices.below(65_536)];
    return tiff(new Array<Entry>(1 + choices.below(5000)).fill(entry), 8);
  },
  "Exif offsets beyond the end": (choices) => {
    const offset = () => pick(choices, [0xffffffff, 0x7fffffff, 70_000]);
    const entry = (tag: number): Entry => [tag, choices.below(14), 0xffffffff, offset()];
    return tiff(exifTags.map(entry), 0xfffffff0);
  },
  "Exif that promises more entries than it has": (choices) => {
    const out = tiff([orientation(choices)], 0);
    out.set([255, 255], 8);
    return out;
  },
  "Exif of random bytes": (choices) =>
    concat([0x49, 0x49, 0x2a, 0], randomBytes(choices, choices.below(300))),
  "another format inside Exif": (choices) =>
    concat(ascii(pick(choices, otherFormats)), randomBytes(choices, choices.below(300))),
  "a file inside Exif": (_, other) => other,
};

/** Misleading Exif segments. */
export const exifs: Mutations = Object.fromEntries(
  Object.entries(exifBodies).map(([name, body]) => [name, exif(body)]),
);

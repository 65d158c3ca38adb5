/**
 * Writes PNGs of any structure, which sharp cannot: every colour type and bit depth, filters, Adam7, splits of the image
 * data, chunks that are wrong. Pixels come from a function of their place.
 */
import { crc32, deflateSync } from "node:zlib";

/** Structure of a PNG. */
export interface PngSpec {
  readonly width: number;
  readonly height: number;
  /** 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGBA. */
  readonly colourType: number;
  readonly bitDepth: number;
  /** Returns a sample of 16 bits, of which the last `bitDepth` count. Default: noise that repeats in places. */
  readonly sample?: (x: number, y: number, channel: number) => number;
  readonly interlaced?: boolean;
  /** Filter of each row. Default: all five in turn. */
  readonly filter?: (y: number) => number;
  /** RGB of each entry. Default for palettes: as many colours as `bitDepth` can name. */
  readonly palette?: Uint8Array | undefined;
  /** Body of tRNS. */
  readonly transparency?: readonly number[] | undefined;
  /** Bytes of the IDAT chunks, in turn; the last one takes the rest. Default: one chunk. */
  readonly splits?: readonly number[];
  /** Chunks after IHDR, after PLTE and tRNS, and after IDAT. */
  readonly first?: readonly Uint8Array[];
  readonly before?: readonly Uint8Array[];
  readonly after?: readonly Uint8Array[];
  /** Changes the filtered rows before they are compressed. */
  readonly rows?: (rows: Uint8Array) => Uint8Array;
  /** Changes the compressed data. */
  readonly data?: (data: Uint8Array) => Uint8Array;
  /** Changes the body of IHDR. */
  readonly header?: (body: Uint8Array) => Uint8Array;
  /** Level of compression, 0 to 9. */
  readonly level?: number;
}

/** Every colour type with each of its bit depths (PNG Specification, table 12). */
export const kindsOfPng = [
  { name: "grey", colourType: 0, depths: [1, 2, 4, 8, 16] },
  { name: "RGB", colourType: 2, depths: [8, 16] },
  { name: "palette", colourType: 3, depths: [1, 2, 4, 8] },
  { name: "grey and alpha", colourType: 4, depths: [8, 16] },
  { name: "RGBA", colourType: 6, depths: [8, 16] },
].flatMap(({ name, colourType, depths }) => depths.map((bitDepth) => ({ name, colourType, bitDepth })));

/** The signature of a PNG. */
export const pngSignature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

const channelsOf: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

/** Writes a chunk. @param crc overrides the right checksum */
export function chunk(type: string, body: Uint8Array | readonly number[] = [], crc?: number): Uint8Array {
  const bytes = Buffer.alloc(12 + body.length);
  bytes.writeUInt32BE(body.length, 0);
  bytes.write(type, 4, "latin1");
  bytes.set(body, 8);
  bytes.writeUInt32BE(crc ?? crc32(bytes.subarray(4, 8 + body.length)), 8 + body.length);
  return new Uint8Array(bytes);
}

/** Writes a PNG. */
export function writePng(spec: PngSpec): Uint8Array {
  const { first = [], before = [], after = [], colourType, bitDepth, transparency, level = 6 } = spec;
  const palette = spec.palette ?? (colourType === 3 ? defaultPalette(bitDepth) : undefined);
  const rows = filteredRows(spec);
  const compressed = new Uint8Array(deflateSync(spec.rows?.(rows) ?? rows, { level }));
  const parts = [
    pngSignature,
    chunk("IHDR", spec.header?.(headerOf(spec)) ?? headerOf(spec)),
    ...first,
    ...(palette ? [chunk("PLTE", palette)] : []),
    ...(transparency ? [chunk("tRNS", transparency)] : []),
    ...before,
    ...split(spec.data?.(compressed) ?? compressed, spec.splits ?? []).map((body) => chunk("IDAT", body)),
    ...after,
    chunk("IEND"),
  ];
  return new Uint8Array(Buffer.concat(parts));
}

function headerOf({ width, height, bitDepth, colourType, interlaced }: PngSpec): Uint8Array {
  const body = new DataView(new ArrayBuffer(13));
  body.setUint32(0, width);
  body.setUint32(4, height);
  const rest = [bitDepth, colourType, 0, 0, interlaced ? 1 : 0];
  for (const [i, value] of rest.entries()) body.setUint8(8 + i, value);
  return new Uint8Array(body.buffer);
}

/** Returns as many colours as a palette of this depth can have: all different. */
export function defaultPalette(bitDepth: number): Uint8Array {
  return Uint8Array.from(
    { length: 3 << bitDepth },
    (_, i) => Math.imul(Math.floor(i / 3) * 3 + (i % 3), 89) & 255,
  );
}

/** Noise with runs of equal pixels, so that every predictor is sometimes the best. */
function noise(x: number, y: number, channel: number): number {
  const [column, row] = [x >> (y & 1), y >> (x & 1)];
  let value = Math.imul(column * 73 + row * 151 + channel * 283 + 1, 0x9e3779b1);
  value = Math.imul(value ^ (value >>> 15), 0x85ebca6b);
  return (value ^ (value >>> 13)) & 0xffff;
}

/** Columns and rows of each reduced image of Adam7: first and step. */
const adam7 = [
  { x: [0, 8], y: [0, 8] },
  { x: [4, 8], y: [0, 8] },
  { x: [0, 4], y: [4, 8] },
  { x: [2, 4], y: [0, 4] },
  { x: [0, 2], y: [2, 4] },
  { x: [1, 2], y: [0, 2] },
  { x: [0, 1], y: [1, 2] },
] as const;

const indices = (length: number, [first, step]: readonly [number, number]) =>
  Array.from({ length }, (_, i) => i).filter((i) => i >= first && (i - first) % step === 0);

/** Returns all rows with their filter bytes, before compression. */
function filteredRows(spec: PngSpec): Uint8Array {
  const { width, height, colourType, bitDepth, sample = noise, filter = (y) => y % 5 } = spec;
  const channels = channelsOf[colourType] ?? 1;
  const bytesPerPixel = Math.max(1, (channels * bitDepth) >> 3);
  const passes = spec.interlaced ? adam7 : ([{ x: [0, 1], y: [0, 1] }] as const);
  const parts: Uint8Array[] = [];
  for (const pass of passes) {
    const columns = indices(width, pass.x);
    let above = new Uint8Array(Math.ceil((columns.length * channels * bitDepth) / 8));
    if (above.length === 0) continue;
    for (const [i, y] of indices(height, pass.y).entries()) {
      const samples = columns.flatMap((x) =>
        Array.from({ length: channels }, (_, channel) => sample(x, y, channel)),
      );
      const row = packed(samples, bitDepth);
      parts.push(Uint8Array.of(filter(i)), filtered(filter(i), row, above, bytesPerPixel));
      above = row;
    }
  }
  return new Uint8Array(Buffer.concat(parts));
}

/** Packs samples into bytes, the first one into the high bits. */
function packed(samples: readonly number[], bitDepth: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(Math.ceil((samples.length * bitDepth) / 8));
  for (const [i, value] of samples.entries()) {
    const bits = value & ((1 << bitDepth) - 1);
    const at = i * bitDepth;
    if (bitDepth === 16) bytes.set([bits >> 8, bits & 255], at >> 3);
    else bytes[at >> 3]! |= bits << (8 - bitDepth - (at & 7));
  }
  return bytes;
}

/** Applies a filter to a row, as the definition says it. */
function filtered(filter: number, row: Uint8Array, above: Uint8Array, bytesPerPixel: number): Uint8Array {
  return row.map((value, i) => {
    const left = row[i - bytesPerPixel] ?? 0;
    const up = above[i]!;
    const corner = i >= bytesPerPixel ? above[i - bytesPerPixel]! : 0;
    return value - predicted(filter, left, up, corner);
  });
}

function predicted(filter: number, left: number, up: number, corner: number): number {
  if (filter === 1) return left;
  if (filter === 2) return up;
  if (filter === 3) return Math.floor((left + up) / 2);
  if (filter !== 4) return 0;
  const estimate = left + up - corner;
  const distances = [left, up, corner].map((value) => Math.abs(estimate - value));
  return [left, up, corner][distances.indexOf(Math.min(...distances))]!;
}

function split(data: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const size of sizes) {
    parts.push(data.subarray(at, at + size));
    at += size;
  }
  return [...parts, data.subarray(at)];
}

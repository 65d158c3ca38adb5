/** Splits a JPEG into its segments, for mutation. Tolerates damage, because mutations are applied one after another. */

/** Bytes of a file, or of a part of it. */
export type Bytes = Uint8Array | readonly number[];

/** A segment, with the entropy-coded data that follows a scan's header. Offsets are those in the file. */
export interface Piece {
  readonly marker: number;
  readonly start: number;
  /** First byte after the length field. */
  readonly body: number;
  /** End of the segment, where the entropy-coded data of a scan begins. */
  readonly dataStart: number;
  readonly end: number;
}

const scanMarker = 0xda;
const isBare = (marker: number) => (marker >= 0xd0 && marker <= 0xd9) || marker === 1;
const isRestart = (marker: number) => marker >= 0xd0 && marker <= 0xd7;

/** Returns the pieces of a file, as far as its structure can be followed. */
export function piecesOf(bytes: Uint8Array): Piece[] {
  const pieces: Piece[] = [];
  for (let at = bytes.indexOf(0xff); at >= 0 && at + 1 < bytes.length; ) {
    const marker = bytes[at + 1]!;
    if (marker === 0 || marker === 0xff) {
      at = bytes.indexOf(0xff, at + 1);
      continue;
    }
    const length = isBare(marker) ? 0 : ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
    const dataStart = Math.min(bytes.length, at + 2 + length);
    const end = marker === scanMarker ? scanEnd(bytes, dataStart) : dataStart;
    pieces.push({ marker, start: at, body: Math.min(end, at + (isBare(marker) ? 2 : 4)), dataStart, end });
    at = bytes.indexOf(0xff, end);
  }
  return pieces;
}

function scanEnd(bytes: Uint8Array, start: number): number {
  for (let at = bytes.indexOf(0xff, start); at >= 0; at = bytes.indexOf(0xff, at + 1)) {
    const next = bytes[at + 1];
    if (next !== undefined && next !== 0 && next !== 0xff && !isRestart(next)) return at;
  }
  return bytes.length;
}

/** Returns the pieces with one of these markers. */
export const piecesWith = (bytes: Uint8Array, ...markers: number[]) =>
  piecesOf(bytes).filter(({ marker }) => markers.includes(marker));

/** Markers of frame headers: baseline, extended, progressive, and processes that are refused. */
export const frameMarkers = [0xc0, 0xc1, 0xc2, 0xc3, 0xc5, 0xc9, 0xca, 0xcb, 0xf7] as const;

/** Returns a copy whose first frame header has other fields. @throws Error when there is no frame header */
export function patchedFrame(
  bytes: Uint8Array,
  fields: {
    readonly marker?: number;
    readonly precision?: number;
    readonly height?: number;
    readonly width?: number;
  },
): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(bytes);
  const view = new DataView(copy.buffer);
  const [frame] = piecesWith(bytes, ...frameMarkers);
  if (!frame) throw new Error("the JPEG has no frame header");
  const { marker, precision, height, width } = fields;
  if (marker !== undefined) view.setUint8(frame.start + 1, marker);
  if (precision !== undefined) view.setUint8(frame.body, precision);
  if (height !== undefined) view.setUint16(frame.body + 1, height);
  if (width !== undefined) view.setUint16(frame.body + 3, width);
  return copy;
}

/** Concatenates parts. */
export const concat = (...parts: readonly Bytes[]): Uint8Array => joined(parts);

/** Concatenates any number of parts: a function call cannot have hundreds of thousands of arguments. */
export function joined(parts: readonly Bytes[]): Uint8Array {
  const arrays = parts.map((part) => (part instanceof Uint8Array ? part : Uint8Array.from(part)));
  // Not a Buffer, whose slice() would share its memory.
  return new Uint8Array(Buffer.concat(arrays));
}

/** Returns `bytes` with [start, end) replaced. */
export function replaced(bytes: Uint8Array, start: number, end: number, by: Bytes): Uint8Array {
  return concat(bytes.subarray(0, start), by, bytes.subarray(Math.max(start, end)));
}

/** Returns `bytes` with `added` inserted. */
export const inserted = (bytes: Uint8Array, at: number, added: Bytes) => replaced(bytes, at, at, added);

/** Returns the character codes of ASCII or Latin-1 text. */
export const ascii = (text: string) => [...text].map((character) => character.charCodeAt(0));

/** Repeats a part. */
export function repeated(part: Bytes, times: number): Uint8Array {
  return new Uint8Array(Buffer.alloc(part.length * times, Uint8Array.from(part)));
}

/** Writes WebP containers (RFC 9649, section 2), so that tests can have chunks that no encoder writes. */
import { latin1 } from "./image-files.ts";

/** One chunk: a name of four characters, the size, the content, and padding to an even length. */
export function chunk(name: string, content: ArrayLike<number>): number[] {
  const padding = content.length % 2 === 1 ? [0] : [];
  return [...latin1(name), ...littleEndian(content.length, 4), ...Array.from(content), ...padding];
}

/** A file with these chunks. */
export function webpFile(...chunks: readonly number[][]): Uint8Array {
  return Uint8Array.from(chunk("RIFF", [...latin1("WEBP"), ...chunks.flat()]));
}

/** Flags of a VP8X chunk (section 2.7). */
export const Vp8xFlag = { animation: 0x02, exif: 0x08, alpha: 0x10, colourProfile: 0x20 } as const;

/** A VP8X chunk for a canvas of this size. */
export function vp8x(width: number, height: number, flags = 0): number[] {
  return chunk("VP8X", [flags, 0, 0, 0, ...littleEndian(width - 1, 3), ...littleEndian(height - 1, 3)]);
}

/** Place and size of a frame of an animation. */
export interface FramePlace {
  /** Even. */
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** An ANMF chunk with these chunks in it, to be shown for 100 ms. */
export function animationFrame(
  { x, y, width, height }: FramePlace,
  ...chunks: readonly number[][]
): number[] {
  const numbers = [x / 2, y / 2, width - 1, height - 1, 100].flatMap((value) => littleEndian(value, 3));
  return chunk("ANMF", [...numbers, 0, ...chunks.flat()]);
}

/** An ANIM chunk: a background colour, which decoders ignore, and endless repetition. */
export const animationHeader: number[] = chunk("ANIM", [1, 2, 3, 255, 0, 0]);

/** A chunk with its place in a file. */
export interface PlacedChunk {
  readonly name: string;
  readonly content: Uint8Array;
  readonly start: number;
  /** Includes the padding. */
  readonly end: number;
}

/** The chunks of a file, or of the part of it that begins at `from`, in order, as far as they can be followed. */
export function chunksOf(file: Uint8Array, from = 12, to: number = file.length): PlacedChunk[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const chunks: PlacedChunk[] = [];
  for (let start = from; start + 8 <= to; ) {
    const size = view.getUint32(start + 4, true);
    const name = String.fromCharCode(...file.subarray(start, start + 4));
    const content = file.subarray(start + 8, Math.min(to, start + 8 + size));
    const end = Math.min(to, start + 8 + size + (size % 2));
    chunks.push({ name, content, start, end });
    start = end;
  }
  return chunks;
}

/** The content of the first chunk with this name. */
export function contentOf(file: Uint8Array, name: string): Uint8Array {
  const found = chunksOf(file).find((one) => one.name === name);
  if (!found) throw new Error(`The file has no ${name} chunk.`);
  return found.content;
}

/** A number as bytes, the lowest first. */
export function littleEndian(value: number, bytes: number): number[] {
  return Array.from({ length: bytes }, (_, i) => Math.floor(value / 2 ** (8 * i)) % 256);
}

/** Reads the chunks of a WebP file (RFC 9649, section 2) up to the image data. Decodes nothing. */

import { undecodable } from "../../errors.ts";
import type { Size } from "../rgb-image.ts";
import { vp8Size } from "./vp8-header.ts";
import { vp8lSize } from "./vp8l-decoder.ts";

/** A WebP file: one frame on a canvas. */
export interface WebpFile extends Size {
  readonly frame: WebpFrame;
  /** The TIFF structure of the EXIF chunk. */
  readonly exif: Uint8Array | undefined;
}

/** The image, or the first frame of an animation. */
export interface WebpFrame extends Size {
  /** Place of the upper left pixel on the canvas. */
  readonly x: number;
  readonly y: number;
  readonly isLossless: boolean;
  /** The content of the VP8 or VP8L chunk. */
  readonly data: Uint8Array;
  /** The content of the ALPH chunk of a lossy frame. */
  readonly alpha: Uint8Array | undefined;
}

interface Chunk {
  /** Four characters, such as "VP8 ". */
  readonly name: string;
  readonly content: Uint8Array;
}

/** Flags of the VP8X chunk (section 2.7). */
const hasExif = 0x08;

const exifPrefix = "Exif\0\0";
/** The orientation is among the first tags. Only so much of the EXIF chunk is searched for it. */
const maxExifBytes = 64 * 1024;

/**
 * Reads a whole file. Ignores colour profiles, XMP, unknown chunks, and what follows the RIFF chunk.
 * @param bytes a file that begins like a WebP, which has RIFF and WEBP in its first twelve bytes
 * @throws ClassifierError image_undecodable, also for a file that ends early
 */
export function parseWebp(bytes: Uint8Array): WebpFile {
  const end = 8 + uint32(bytes, 4);
  if (end > bytes.length) {
    throw undecodable(`the file has ${bytes.length} of the ${end} bytes that its header announces`);
  }
  const body = bytes.subarray(12, Math.max(12, end));
  const [first] = chunksIn(body);
  if (first?.name === "VP8X") return extendedFile(first.content, body);
  // A simple file has only its image (sections 2.5 and 2.6).
  const frame = frameOf({ image: first, alpha: undefined });
  return { width: frame.width, height: frame.height, frame, exif: undefined };
}

/** Section 2.7. */
function extendedFile(header: Uint8Array, body: Uint8Array): WebpFile {
  if (header.length < 10) throw undecodable(`its VP8X chunk has ${header.length} bytes; expected 10`);
  const canvas = { width: 1 + uint24(header, 4), height: 1 + uint24(header, 7) };
  const content = readContent(body);
  const isAnimation = content.image?.name === "ANMF";
  const frame = isAnimation ? animationFrame(content.image.content) : frameOf(content);
  const fits = frame.x + frame.width <= canvas.width && frame.y + frame.height <= canvas.height;
  const fills = frame.width === canvas.width && frame.height === canvas.height;
  if (isAnimation ? !fits : !fills) {
    const place = `${frame.width}x${frame.height} pixels at ${frame.x},${frame.y}`;
    throw undecodable(`its image has ${place}, but its canvas has ${canvas.width}x${canvas.height}`);
  }
  const exif = (header[0]! & hasExif) !== 0 ? content.exif : undefined;
  return { ...canvas, frame, exif: exif && tiffOf(exif) };
}

/** The specification has the TIFF structure alone in the chunk. Some writers put JPEG's prefix before it. */
function tiffOf(exif: Uint8Array): Uint8Array {
  const prefix = String.fromCharCode(...exif.subarray(0, exifPrefix.length));
  return exif.subarray(prefix === exifPrefix ? exifPrefix.length : 0).subarray(0, maxExifBytes);
}

/** Section 2.7.1.1, ANMF: place, size, duration and flags, 16 bytes; then the chunks of the frame. */
function animationFrame(content: Uint8Array): WebpFrame {
  if (content.length < 16) throw undecodable("its first frame is cut short");
  const frame = frameOf(readContent(content.subarray(16)));
  const width = 1 + uint24(content, 6);
  const height = 1 + uint24(content, 9);
  if (frame.width !== width || frame.height !== height) {
    const announced = `its header says ${width}x${height}`;
    throw undecodable(`its first frame has ${frame.width}x${frame.height} pixels; ${announced}`);
  }
  return { ...frame, x: 2 * uint24(content, 0), y: 2 * uint24(content, 3) };
}

interface Content {
  /** The first VP8, VP8L or ANMF chunk. */
  readonly image: Chunk | undefined;
  /** The content of the first ALPH chunk before that. */
  readonly alpha: Uint8Array | undefined;
  readonly exif?: Uint8Array | undefined;
}

/** Finds the chunks that count, whatever their order. */
function readContent(body: Uint8Array): Content {
  let image: Chunk | undefined;
  let alpha: Uint8Array | undefined;
  let exif: Uint8Array | undefined;
  for (const chunk of chunksIn(body)) {
    if (["VP8 ", "VP8L", "ANMF"].includes(chunk.name)) image ??= chunk;
    else if (chunk.name === "ALPH" && !image) alpha ??= chunk.content;
    else if (chunk.name === "EXIF") exif ??= chunk.content;
  }
  return { image, alpha, exif };
}

function frameOf({ image, alpha }: Content): WebpFrame {
  const place = { x: 0, y: 0 };
  if (image?.name === "VP8 ") {
    return { ...vp8Size(image.content), ...place, isLossless: false, data: image.content, alpha };
  }
  if (image?.name === "VP8L") {
    const data = image.content;
    return { ...vp8lSize(data), ...place, isLossless: true, data, alpha: undefined };
  }
  throw undecodable("it holds no image data");
}

/** Section 2.3: a name, the size of the content, the content, and a byte of padding if the size is odd. */
function* chunksIn(bytes: Uint8Array): Generator<Chunk, void, void> {
  // Like libwebp, this ignores up to 7 bytes at the end, which are too few for a chunk.
  for (let at = 0; at + 8 <= bytes.length; ) {
    const name = fourCharacters(bytes, at);
    const size = uint32(bytes, at + 4);
    const start = at + 8;
    if (start + size > bytes.length) {
      throw undecodable(`its ${JSON.stringify(name)} chunk has ${bytes.length - start} of ${size} bytes`);
    }
    yield { name, content: bytes.subarray(start, start + size) };
    at = start + size + (size % 2);
  }
}

function fourCharacters(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + 4));
}

function uint24(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16);
}

/** Bytes beyond the end count as 0. */
function uint32(bytes: Uint8Array, at: number): number {
  return (uint24(bytes, at) | (bytes[at + 3]! << 24)) >>> 0;
}

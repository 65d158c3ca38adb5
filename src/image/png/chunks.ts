/**
 * Reads and checks the chunks of a PNG (Portable Network Graphics Specification, third edition, W3C; section numbers below
 * are its own). Inflates nothing.
 */
import { ClassifierError, undecodable } from "../../errors.ts";
import type { Size } from "../rgb-image.ts";

/** Colour types (11.2.1). */
export const ColourType = { grey: 0, rgb: 2, palette: 3, greyAlpha: 4, rgba: 6 } as const;

/** Samples per pixel, by colour type. */
const channelsOf: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

/** Bit depths that are allowed, by colour type (table 12). */
const depthsOf: Readonly<Record<number, readonly number[]>> = {
  [ColourType.grey]: [1, 2, 4, 8, 16],
  [ColourType.rgb]: [8, 16],
  [ColourType.palette]: [1, 2, 4, 8],
  [ColourType.greyAlpha]: [8, 16],
  [ColourType.rgba]: [8, 16],
};

/** The IHDR chunk. */
export interface PngHeader extends Size {
  /** Bits per sample: 1, 2, 4, 8 or 16. */
  readonly bitDepth: number;
  readonly colourType: number;
  /** Samples per pixel. */
  readonly channels: number;
  /** Whether the rows come in the seven passes of Adam7 (8.1). */
  readonly isInterlaced: boolean;
}

/** A PNG whose chunks are valid. */
export interface CheckedPng {
  readonly bytes: Uint8Array;
  readonly header: PngHeader;
  /** PLTE of an image with a palette: three bytes per entry, 1 to 256 entries. */
  readonly palette: Uint8Array | undefined;
  /** tRNS, with a length that suits the colour type. */
  readonly transparency: Uint8Array | undefined;
  /** TIFF structure of the eXIf chunk: its first 64 KiB. */
  readonly exif: Uint8Array | undefined;
  /** Offset of the first IDAT chunk. */
  readonly dataStart: number;
}

/** A chunk: offsets of its body, [body, end), and of the next chunk. */
interface Chunk {
  readonly type: string;
  readonly body: number;
  readonly end: number;
  readonly next: number;
}

const signature = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a] as const;

/** Orientation is in the first directory. As much as a JPEG segment holds is enough. */
const maxExifBytes = 65_536;

/**
 * Reads the signature and the IHDR chunk.
 * @throws ClassifierError image_undecodable; unsupported_image for Apple's variant, which has other image data
 */
export function parsePngHeader(bytes: Uint8Array): PngHeader {
  if (signature.some((byte, i) => bytes[i] !== byte)) {
    throw undecodable("its signature is damaged, as by a transfer as text");
  }
  const chunk = readChunk(bytes, signature.length);
  const { type, body, end } = chunk;
  if (type === "CgBI") {
    const detected = "a PNG in Apple's CgBI format";
    throw new ClassifierError({ code: "unsupported_image", detected, expected: "a standard PNG" });
  }
  if (type !== "IHDR") throw undecodable(`its first chunk is ${type}; expected IHDR`);
  if (end - body !== 13) throw undecodable(`its IHDR chunk has ${end - body} bytes; expected 13`);
  checkCrc(bytes, chunk);
  const [width, height] = [readUint32(bytes, body), readUint32(bytes, body + 4)];
  if (width === 0 || height === 0) throw undecodable(`its header says ${width}x${height} pixels`);
  const [bitDepth, colourType, compression, filter, interlace] = bytes.subarray(body + 8, end);
  if (!depthsOf[colourType!]?.includes(bitDepth!)) {
    throw undecodable(`its header says colour type ${colourType} with ${bitDepth} bits per sample`);
  }
  if (compression !== 0 || filter !== 0 || interlace! > 1) {
    throw undecodable(`its header says compression ${compression}, filter ${filter}, interlace ${interlace}`);
  }
  const channels = channelsOf[colourType!]!;
  return {
    ...{ width, height, channels },
    bitDepth: bitDepth!,
    colourType: colourType!,
    isInterlaced: interlace === 1,
  };
}

/**
 * Reads all chunks after IHDR. Ignores what follows IEND, and ancillary chunks other than tRNS and eXIf. An animated PNG is
 * its default image.
 * @throws ClassifierError image_undecodable
 */
export function checkPng(bytes: Uint8Array, header: PngHeader): CheckedPng {
  let palette: Uint8Array | undefined;
  let transparency: Uint8Array | undefined;
  let exif: Uint8Array | undefined;
  let dataStart = 0;
  let isInData = false;
  for (let at = readChunk(bytes, signature.length).next; ; ) {
    const chunk = readChunk(bytes, at);
    const { type, body, end } = chunk;
    if (isCritical(bytes, at)) checkCrc(bytes, chunk);
    if (type === "IDAT") {
      if (dataStart > 0 && !isInData) throw undecodable("other chunks interrupt its IDAT chunks");
      if (header.colourType === ColourType.palette && !palette) throw undecodable("it has no palette");
      if (dataStart === 0) dataStart = at;
    } else if (type === "PLTE") {
      if (dataStart > 0) throw undecodable("its palette follows its image data");
      // In other images the palette is a suggestion for displays with few colours (11.2.2).
      if (header.colourType === ColourType.palette) {
        if (palette) throw undecodable("it has two palettes");
        palette = checkedPalette(bytes.subarray(body, end));
      }
    } else if (type === "IEND") {
      break;
    } else if (isCritical(bytes, at)) {
      throw undecodable(type === "IHDR" ? "it has two headers" : `it has an unknown critical chunk, ${type}`);
    } else if (hasCrc(bytes, chunk)) {
      // As in libpng, an ancillary chunk that is damaged or in the wrong place does not exist.
      if (type === "tRNS" && dataStart === 0) transparency = bytes.subarray(body, end);
      if (type === "eXIf") exif ??= bytes.subarray(body, Math.min(end, body + maxExifBytes));
    }
    isInData = type === "IDAT";
    at = chunk.next;
  }
  if (dataStart === 0) throw undecodable("it holds no image data");
  if (transparency && !suits(transparency, header, palette)) transparency = undefined;
  return { bytes, header, palette, transparency, exif, dataStart };
}

/** The bodies of the IDAT chunks: views, without those that are empty. */
export function* imageDataOf({ bytes, dataStart }: CheckedPng): Generator<Uint8Array> {
  for (let at = dataStart; ; ) {
    const { type, body, end, next } = readChunk(bytes, at);
    if (type !== "IDAT") return;
    if (end > body) yield bytes.subarray(body, end);
    at = next;
  }
}

function checkedPalette(palette: Uint8Array): Uint8Array {
  if (palette.length === 0 || palette.length % 3 !== 0 || palette.length > 3 * 256) {
    throw undecodable(`its palette has ${palette.length} bytes; expected three for each of 1 to 256 colours`);
  }
  return palette;
}

/** Whether tRNS has a length that the colour type allows (11.3.2.1). */
function suits(
  transparency: Uint8Array,
  { colourType }: PngHeader,
  palette: Uint8Array | undefined,
): boolean {
  const { length } = transparency;
  if (palette) return length > 0 && length <= palette.length / 3;
  return (colourType === ColourType.grey && length === 2) || (colourType === ColourType.rgb && length === 6);
}

/** Reads a chunk: length, type, body and CRC (5.3). */
function readChunk(bytes: Uint8Array, at: number): Chunk {
  if (at + 8 > bytes.length) throw undecodable("the file ends before its IEND chunk");
  const body = at + 8;
  const end = body + readUint32(bytes, at);
  const type = String.fromCharCode(bytes[at + 4]!, bytes[at + 5]!, bytes[at + 6]!, bytes[at + 7]!);
  if (!/^[A-Za-z]{4}$/.test(type)) throw undecodable(`the bytes at ${at} are no chunk`);
  if (end + 4 > bytes.length) throw undecodable(`the file ends inside its ${type} chunk`);
  return { type, body, end, next: end + 4 };
}

/** Whether the image cannot be understood without the chunk: its type begins with a capital letter (5.4). */
function isCritical(bytes: Uint8Array, at: number): boolean {
  return (bytes[at + 4]! & 0x20) === 0;
}

function checkCrc(bytes: Uint8Array, chunk: Chunk): void {
  if (!hasCrc(bytes, chunk)) throw undecodable(`its ${chunk.type} chunk is damaged: its checksum is wrong`);
}

/** Whether the CRC of type and body is the one that follows them. */
function hasCrc(bytes: Uint8Array, { body, end }: Chunk): boolean {
  return crc32(bytes, body - 4, end) === readUint32(bytes, end);
}

/** The CRC of every byte (annex D). */
const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
  return crc;
});

function crc32(bytes: Uint8Array, start: number, end: number): number {
  let crc = -1;
  for (let at = start; at < end; at++) crc = crcTable[(crc ^ bytes[at]!) & 255]! ^ (crc >>> 8);
  return ~crc >>> 0;
}

function readUint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

/** Reads the segments of a JPEG up to its first scan: markers and the frame header (ITU-T T.81, annex B). Decodes nothing. */
import { ClassifierError, undecodable } from "../../errors.ts";

/** Marker codes (T.81 table B.1): the byte after FF. */
export const Marker = {
  TEM: 0x01,
  SOF0: 0xc0,
  SOF1: 0xc1,
  SOF2: 0xc2,
  DHT: 0xc4,
  RST0: 0xd0,
  RST7: 0xd7,
  SOI: 0xd8,
  EOI: 0xd9,
  SOS: 0xda,
  DQT: 0xdb,
  DRI: 0xdd,
  APP0: 0xe0,
  APP1: 0xe1,
  APP14: 0xee,
} as const;

/** One marker with its parameters: `start` is the FF, [`body`, `end`) what follows the length field. */
export interface Segment {
  readonly marker: number;
  readonly start: number;
  readonly body: number;
  readonly end: number;
}

/** Reads a big-endian 16-bit number. */
export function readUint16(bytes: Uint8Array, offset: number): number {
  return (bytes[offset]! << 8) | bytes[offset + 1]!;
}

/**
 * Returns the first segment at or after `offset`. Skips fill bytes and bytes that belong to no segment, as libjpeg does.
 * @throws ClassifierError image_undecodable, if the file ends first or a length field is impossible
 */
export function nextSegment(bytes: Uint8Array, offset: number): Segment {
  let at = offset;
  for (;;) {
    while (at < bytes.length && bytes[at] !== 0xff) at++;
    while (at < bytes.length && bytes[at] === 0xff) at++;
    if (at >= bytes.length) throw undecodable("the file ends before its end-of-image marker");
    if (bytes[at] !== 0) break;
  }
  const marker = bytes[at]!;
  const start = at - 1;
  // These markers stand alone, without a length.
  if ((marker >= Marker.RST0 && marker <= Marker.EOI) || marker === Marker.TEM) {
    return { marker, start, body: at + 1, end: at + 1 };
  }
  const name = `the segment of marker FF${marker.toString(16).toUpperCase().padStart(2, "0")}`;
  if (at + 2 >= bytes.length) throw undecodable(`the file ends inside ${name}`);
  const length = readUint16(bytes, at + 1);
  if (length < 2) throw undecodable(`${name} has length ${length}; the least is 2`);
  const end = at + 1 + length;
  if (end > bytes.length) throw undecodable(`the file ends inside ${name}`);
  return { marker, start, body: at + 3, end };
}

/** Whether a marker is SOF0 to SOF15. DHT (C4), JPG (C8) and DAC (CC) share their range. */
export function isFrameHeader(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

/** A component as the frame header declares it. */
export interface FrameComponent {
  /** The selector by which scans name it. Broken encoders give several components the same one. */
  readonly id: number;
  /** Horizontal and vertical sampling factor, 1 to 4. */
  readonly h: number;
  readonly v: number;
  /** Selector of the quantisation table, 0 to 3. */
  readonly quantisationTable: number;
}

/** A component with its grid of 8x8 blocks (T.81 A.1 and A.2). */
export interface JpegComponent extends FrameComponent {
  /** Blocks that cover the component. A scan of this component alone codes these. */
  readonly blocksPerLine: number;
  readonly blocksPerColumn: number;
  /** Blocks of whole MCUs. An interleaved scan codes these. */
  readonly paddedPerLine: number;
  readonly paddedBlocks: number;
}

/** The geometry of a frame. */
export interface FrameLayout {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** The largest sampling factors: an MCU is 8 * maxH by 8 * maxV pixels. */
  readonly maxH: number;
  readonly maxV: number;
  /** MCUs of an interleaved scan. */
  readonly mcusPerLine: number;
  readonly mcusPerColumn: number;
  /** 1 (grey), 3 (YCbCr or RGB) or 4 (CMYK or YCCK) components, in the order of the frame header. */
  readonly components: readonly JpegComponent[];
}

/** Everything before the first scan that decoding needs, apart from the tables. */
export interface JpegHeader extends FrameLayout {
  /** Bits per sample. Always 8 in a header that is returned. */
  readonly precision: number;
  readonly process: "baseline" | "extended" | "progressive";
  readonly hasJfif: boolean;
  /** Colour transform of the Adobe APP14 segment: 0 none, 1 YCbCr, 2 YCCK. Undefined without the segment. */
  readonly adobeTransform: number | undefined;
  /** TIFF structure of the first Exif segment, a view of at most 64 KiB. Undefined without one. */
  readonly exif: Uint8Array | undefined;
}

const processes: Readonly<Record<number, JpegHeader["process"]>> = {
  [Marker.SOF0]: "baseline",
  [Marker.SOF1]: "extended",
  [Marker.SOF2]: "progressive",
};

type Frame = Omit<JpegHeader, "hasJfif" | "adobeTransform" | "exif">;

const exifSignature = "Exif\0\0";

/**
 * Reads the segments up to the first scan.
 * @param bytes a file that starts with SOI
 * @throws ClassifierError unsupported_image for kinds of JPEG that are not decoded, image_undecodable
 */
export function parseJpegHeader(bytes: Uint8Array): JpegHeader {
  let frame: Frame | undefined;
  let hasJfif = false;
  let adobeTransform: number | undefined;
  let exif: Uint8Array | undefined;
  for (let offset = 2; ; ) {
    const segment = nextSegment(bytes, offset);
    offset = segment.end;
    const { marker, body } = segment;
    if (marker === Marker.SOS) break;
    if (marker === Marker.EOI) throw undecodable("it holds no image data");
    if (marker === Marker.SOI) throw undecodable("a second start-of-image marker precedes the image data");
    const foreign = foreignProcess(marker);
    if (foreign) throw unsupported(foreign);
    if (isFrameHeader(marker)) {
      if (frame) throw undecodable("it has two frame headers");
      frame = parseFrame(bytes, segment);
    } else if (marker === Marker.APP0 && startsWith(bytes, segment, "JFIF\0")) {
      hasJfif = true;
    } else if (marker === Marker.APP14 && startsWith(bytes, segment, "Adobe") && segment.end - body >= 12) {
      adobeTransform = bytes[body + 11]!;
    } else if (marker === Marker.APP1 && startsWith(bytes, segment, exifSignature)) {
      exif ??= bytes.subarray(body + exifSignature.length, segment.end);
    }
  }
  if (!frame) throw undecodable("its image data has no frame header before it");
  return { ...frame, hasJfif, adobeTransform, exif };
}

function parseFrame(bytes: Uint8Array, { marker, body, end }: Segment): Frame {
  const length = end - body;
  const count = length >= 6 ? bytes[body + 5]! : 0;
  if (count === 0 || length !== 6 + 3 * count) {
    throw undecodable(`its frame header has ${length} bytes for ${count} components`);
  }
  const precision = bytes[body]!;
  if (precision === 12) throw unsupported("a 12-bit JPEG");
  if (precision !== 8) throw undecodable(`its frame header says ${precision} bits per sample`);
  const height = readUint16(bytes, body + 1);
  const width = readUint16(bytes, body + 3);
  if (width === 0) throw undecodable("its frame header says width 0");
  // Height 0 announces a DNL segment after the first scan (T.81 B.2.5). Hardly any decoder reads it.
  if (height === 0) throw undecodable("its frame header says height 0");
  if (count !== 1 && count !== 3 && count !== 4) throw unsupported(`a JPEG of ${count} components`);
  const components: FrameComponent[] = [];
  for (let at = body + 6; at < end; at += 3) components.push(parseComponent(bytes, at));
  const layout = layOutFrame(width, height, components);
  // Ratios such as 2:3 need a resampling that libjpeg does not have either.
  if (layout.components.some(({ h, v }) => layout.maxH % h !== 0 || layout.maxV % v !== 0)) {
    throw unsupported("a JPEG with fractional chroma subsampling");
  }
  return { ...layout, precision, process: processes[marker]! };
}

function parseComponent(bytes: Uint8Array, at: number): FrameComponent {
  const id = bytes[at]!;
  const h = bytes[at + 1]! >> 4;
  const v = bytes[at + 1]! & 15;
  const quantisationTable = bytes[at + 2]!;
  if (h < 1 || h > 4 || v < 1 || v > 4) {
    throw undecodable(`component ${id} has sampling factors ${h}x${v}; each must be 1 to 4`);
  }
  if (quantisationTable > 3)
    throw undecodable(`component ${id} names quantisation table ${quantisationTable}`);
  return { id, h, v, quantisationTable };
}

/** Computes the MCUs and blocks of a frame (T.81 A.2.4). */
export function layOutFrame(width: number, height: number, declared: readonly FrameComponent[]): FrameLayout {
  // The sampling factors of a lone component have no effect (T.81 A.2.2), so they become 1x1.
  const components = declared.length === 1 ? [{ ...declared[0]!, h: 1, v: 1 }] : declared;
  const maxH = Math.max(...components.map(({ h }) => h));
  const maxV = Math.max(...components.map(({ v }) => v));
  const mcusPerLine = Math.ceil(width / (8 * maxH));
  const mcusPerColumn = Math.ceil(height / (8 * maxV));
  return {
    ...{ width, height, maxH, maxV, mcusPerLine, mcusPerColumn },
    components: components.map((component) => ({
      ...component,
      blocksPerLine: Math.ceil((width * component.h) / (8 * maxH)),
      blocksPerColumn: Math.ceil((height * component.v) / (8 * maxV)),
      paddedPerLine: mcusPerLine * component.h,
      paddedBlocks: mcusPerLine * component.h * mcusPerColumn * component.v,
    })),
  };
}

/** Names the kinds of T.81 table B.1 that only special decoders read. Undefined for all other markers. */
function foreignProcess(marker: number): string | undefined {
  if (marker === 0xf7) return "a JPEG-LS image";
  if (marker === 0xde) return "a hierarchical JPEG";
  if (!isFrameHeader(marker) || marker in processes) return undefined;
  if (marker === 0xc3) return "a lossless JPEG";
  if (marker === 0xcb) return "a lossless, arithmetic-coded JPEG";
  return marker === 0xc9 || marker === 0xca ? "an arithmetic-coded JPEG" : "a hierarchical JPEG";
}

function startsWith(bytes: Uint8Array, { body, end }: Segment, text: string): boolean {
  if (end - body < text.length) return false;
  for (let i = 0; i < text.length; i++) {
    if (bytes[body + i] !== text.charCodeAt(i)) return false;
  }
  return true;
}

function unsupported(detected: string): ClassifierError {
  const expected = "a baseline or progressive JPEG with 8 bits per sample";
  return new ClassifierError({ code: "unsupported_image", detected, expected });
}

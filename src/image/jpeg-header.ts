/** Reads a JPEG's frame header before anything is decoded (ITU-T T.81, annex B). Pure. */
import { ClassifierError } from "../errors.ts";
import { describeFormat, startsAsJpeg } from "./detect.ts";
import {
  isFrameHeader,
  Marker,
  nextSegment,
  readUint16,
  type Segment,
  undecodable,
} from "./jpeg-segments.ts";

export interface JpegComponent {
  /** The selector by which scans name it. Broken encoders give several components the same one. */
  readonly id: number;
  /** Horizontal and vertical sampling factor, 1 to 4. */
  readonly h: number;
  readonly v: number;
  /** Selector of the quantisation table, 0 to 3. */
  readonly quantisationTable: number;
}

export interface JpegHeader {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** Bits per sample; 8 in every header that is returned. */
  readonly precision: number;
  readonly process: "baseline" | "extended" | "progressive";
  /** 1 (grey), 3 (YCbCr or RGB) or 4 (CMYK or YCCK) components, in the order of the frame header. */
  readonly components: readonly JpegComponent[];
  readonly hasJfif: boolean;
  /** Colour transform of the Adobe APP14 segment: 0 none, 1 YCbCr, 2 YCCK; undefined without the segment. */
  readonly adobeTransform: number | undefined;
  /** TIFF structure of the first Exif segment, a view of at most 64 KiB; undefined without one. */
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
 * Walks the segments up to the first scan.
 * Throws empty_body, unsupported_image (not a JPEG, or a kind of JPEG that is not decoded), image_undecodable.
 */
export function parseJpegHeader(bytes: Uint8Array): JpegHeader {
  if (bytes.length === 0) throw new ClassifierError({ code: "empty_body" });
  if (!startsAsJpeg(bytes)) throw unsupported(describeFormat(bytes));
  let frame: Frame | undefined;
  let hasJfif = false;
  let adobeTransform: number | undefined;
  let exif: Uint8Array | undefined;
  for (let offset = 2; ; ) {
    const segment = nextSegment(bytes, offset);
    offset = segment.end;
    const { marker } = segment;
    if (marker === Marker.SOS) break;
    if (marker === Marker.EOI) throw undecodable("it holds no image data");
    if (marker === Marker.SOI) throw undecodable("a second start-of-image marker precedes the image data");
    refuseForeignProcess(marker);
    if (isFrameHeader(marker)) {
      if (frame) throw undecodable("it has two frame headers");
      frame = parseFrame(bytes, segment);
    } else if (marker === Marker.APP0 && startsWith(bytes, segment, "JFIF\0")) {
      hasJfif = true;
    } else if (marker === Marker.APP14 && startsWith(bytes, segment, "Adobe") && bodyLength(segment) >= 12) {
      adobeTransform = bytes[segment.body + 11]!;
    } else if (marker === Marker.APP1 && startsWith(bytes, segment, exifSignature)) {
      exif ??= bytes.subarray(segment.body + exifSignature.length, segment.end);
    }
  }
  if (!frame) throw undecodable("its image data has no frame header before it");
  return { ...frame, hasJfif, adobeTransform, exif };
}

function parseFrame(bytes: Uint8Array, segment: Segment): Frame {
  const { marker, body } = segment;
  const count = bodyLength(segment) >= 6 ? bytes[body + 5]! : 0;
  if (count === 0 || bodyLength(segment) !== 6 + 3 * count) {
    throw undecodable(`its frame header has ${bodyLength(segment)} bytes for ${count} components`);
  }
  const precision = bytes[body]!;
  if (precision === 12) throw unsupported("a 12-bit JPEG");
  if (precision !== 8) throw undecodable(`its frame header says ${precision} bits per sample`);
  const height = readUint16(bytes, body + 1);
  const width = readUint16(bytes, body + 3);
  if (width === 0) throw undecodable("its frame header says width 0");
  // Height 0 announces a DNL segment after the first scan (T.81 B.2.5); hardly any decoder reads it.
  if (height === 0) throw undecodable("its frame header says height 0");
  if (count !== 1 && count !== 3 && count !== 4) throw unsupported(`a JPEG of ${count} components`);
  const components: JpegComponent[] = [];
  for (let at = body + 6; at < segment.end; at += 3) {
    components.push(parseComponent(bytes, at));
  }
  const first = components[0]!;
  // The sampling factors of a lone component mean nothing (T.81 A.2.2): 1x1 says so.
  return {
    width,
    height,
    precision,
    process: processes[marker]!,
    components: count === 1 ? [{ ...first, h: 1, v: 1 }] : refuseFractionalSampling(components),
  };
}

function parseComponent(bytes: Uint8Array, at: number): JpegComponent {
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

/** Ratios such as 2:3 need a resampling that libjpeg does not have either. */
function refuseFractionalSampling(components: readonly JpegComponent[]): readonly JpegComponent[] {
  const { maxH, maxV } = maxSampling(components);
  if (components.some((c) => maxH % c.h !== 0 || maxV % c.v !== 0)) {
    throw unsupported("a JPEG with fractional chroma subsampling");
  }
  return components;
}

/** The largest sampling factors of a frame: an MCU is 8 * maxH by 8 * maxV pixels. */
export function maxSampling(components: readonly JpegComponent[]): { maxH: number; maxV: number } {
  return {
    maxH: Math.max(...components.map((c) => c.h)),
    maxV: Math.max(...components.map((c) => c.v)),
  };
}

function refuseForeignProcess(marker: number): void {
  const kind = foreignProcess(marker);
  if (kind) throw unsupported(kind);
}

/** The kinds of T.81 table B.1 that only special decoders read; undefined for all other markers. */
function foreignProcess(marker: number): string | undefined {
  if (marker === 0xf7) return "a JPEG-LS image";
  if (marker === 0xde) return "a hierarchical JPEG";
  if (!isFrameHeader(marker) || marker in processes) return undefined;
  if (marker === 0xc3) return "a lossless JPEG";
  if (marker === 0xcb) return "a lossless, arithmetic-coded JPEG";
  return marker === 0xc9 || marker === 0xca ? "an arithmetic-coded JPEG" : "a hierarchical JPEG";
}

function startsWith(bytes: Uint8Array, segment: Segment, text: string): boolean {
  if (bodyLength(segment) < text.length) return false;
  for (let i = 0; i < text.length; i++) {
    if (bytes[segment.body + i] !== text.charCodeAt(i)) return false;
  }
  return true;
}

export function bodyLength(segment: Segment): number {
  return segment.end - segment.body;
}

function unsupported(detected: string): ClassifierError {
  return new ClassifierError({ code: "unsupported_image", detected, expected: "a JPEG (image/jpeg)" });
}

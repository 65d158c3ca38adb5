/** The segment structure of a JPEG (ITU-T T.81, annex B). Allocates nothing that grows with the input. */
import { ClassifierError } from "../errors.ts";

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

/** Builds the error for a broken file. */
export function undecodable(detail: string): ClassifierError {
  return new ClassifierError({ code: "image_undecodable", detail });
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

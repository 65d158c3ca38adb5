/**
 * Writes a checked JPEG anew for a decoder that is not ours: quantisation tables, Huffman tables, frame and scans only.
 * - APPn and COM are left out, and so are bytes outside any segment: the caller decides the colour transform.
 * - Each component gets a quantisation table of its own, sent before its first scan: jpeg-js applies whichever table
 *   came last.
 * - A restart interval is sent only for scans that have restart markers.
 * Pure.
 */
import type { JpegHeader } from "./jpeg-header.ts";
import type { CheckedJpeg } from "./jpeg-scans.ts";
import { Marker } from "./jpeg-segments.ts";
import type { QuantisationTable } from "./jpeg-tables.ts";

/** The stream in pieces, most of them views of the file: nothing large is copied. */
export function streamPieces(
  { bytes, header, scans }: CheckedJpeg,
  app14: Uint8Array,
): readonly Uint8Array[] {
  const pieces: Uint8Array[] = [Uint8Array.of(0xff, Marker.SOI), app14, frameSegment(header)];
  for (const scan of scans) {
    for (const { start, end } of scan.huffmanSegments) pieces.push(bytes.subarray(start, end));
    for (const { component, table } of scan.quantisation) pieces.push(quantisationSegment(component, table));
    pieces.push(restartSegment(scan.restartInterval), bytes.subarray(scan.start, scan.dataEnd));
  }
  pieces.push(Uint8Array.of(0xff, Marker.EOI));
  return pieces;
}

export function totalLength(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, piece) => sum + piece.length, 0);
}

/** Copies the pieces one behind the other to the start of `target`. */
export function writePieces(pieces: readonly Uint8Array[], target: Uint8Array): void {
  let offset = 0;
  for (const piece of pieces) {
    target.set(piece, offset);
    offset += piece.length;
  }
}

/** An Adobe segment: transform 0 for RGB and CMYK, 1 for YCbCr, 2 for YCCK. */
export function app14Segment(transform: 0 | 1 | 2): Uint8Array {
  const adobe = [0x41, 0x64, 0x6f, 0x62, 0x65, 0, 100, 0, 0, 0, 0, transform];
  return Uint8Array.of(0xff, Marker.APP14, 0, 2 + adobe.length, ...adobe);
}

function frameSegment(header: JpegHeader): Uint8Array {
  const { width, height, components } = header;
  // Extended sequential for baseline too: it lifts the limit of two Huffman tables, which encoders have been seen to break.
  const marker = header.process === "progressive" ? Marker.SOF2 : Marker.SOF1;
  return Uint8Array.of(
    ...[0xff, marker, 0, 8 + 3 * components.length, 8],
    ...[height >> 8, height & 255, width >> 8, width & 255, components.length],
    ...components.flatMap((c, index) => [c.id, (c.h << 4) | c.v, index]),
  );
}

function quantisationSegment(index: number, table: QuantisationTable): Uint8Array {
  const head = [0xff, Marker.DQT, 0, 3 + table.values.length, (table.precision << 4) | index];
  const segment = new Uint8Array(head.length + table.values.length);
  segment.set(head);
  segment.set(table.values, head.length);
  return segment;
}

function restartSegment(interval: number): Uint8Array {
  return Uint8Array.of(0xff, Marker.DRI, 0, 4, interval >> 8, interval & 255);
}

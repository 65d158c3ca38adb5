/**
 * Checks everything behind a JPEG's header that jpeg-js trusts, and writes the stream that it is handed: quantisation
 * tables, Huffman tables, frame and scans only, in the one arrangement that it decodes right. Pure.
 */
import { ClassifierError } from "../errors.ts";
import { type JpegHeader, maxSampling } from "./jpeg-header.ts";
import { checkScanScript, parseScan, type Scan, type ScanState } from "./jpeg-scan-header.ts";
import { isFrameHeader, Marker, nextSegment, readUint16, undecodable } from "./jpeg-segments.ts";
import { huffmanTables, type QuantisationTable, readQuantisationTables } from "./jpeg-tables.ts";

/**
 * Visits of the average block, over all scans. jpeg-js pays for each block in each scan, even where a scan codes it in
 * no bits. libjpeg's progressive script makes 6, mozjpeg's at most about 12; 32 leaves room and ends scan bombs.
 */
export const maxVisitsPerBlock = 32;

/**
 * Bytes of Huffman tables. Building the tree of a 19-byte table costs microseconds, so that 16 MiB of them would cost
 * seconds. 32 scans with eight full tables each, more than any encoder writes, need 70 KB.
 */
export const maxHuffmanTableBytes = 128 * 1024;

/** 8x8 blocks of one component: as coded alone, and padded to whole MCUs, which is what jpeg-js allocates. */
export interface BlockGrid {
  readonly blocksPerLine: number;
  readonly blocksPerColumn: number;
  readonly paddedPerLine: number;
  readonly paddedPerColumn: number;
}

/** The block grid of each component (T.81 A.2.4). */
export function blockGrids(header: JpegHeader): readonly BlockGrid[] {
  const { width, height, components } = header;
  const { maxH, maxV } = maxSampling(components);
  return components.map(({ h, v }) => ({
    blocksPerLine: Math.ceil((width * h) / (8 * maxH)),
    blocksPerColumn: Math.ceil((height * v) / (8 * maxV)),
    paddedPerLine: Math.ceil(width / (8 * maxH)) * h,
    paddedPerColumn: Math.ceil(height / (8 * maxV)) * v,
  }));
}

/**
 * The stream for jpeg-js, in a buffer of its own: jpeg-js views an ArrayBuffer and would copy anything else.
 * - APPn and COM are left out: jpeg-js expands comments by `apply`, and the caller has decided the colour transform.
 * - Each component gets a quantisation table of its own, latched at its first scan as T.81 B.2.4.1 demands; jpeg-js
 *   applies whichever table came last.
 * - The restart interval is dropped where a scan is no longer than it: jpeg-js overruns the end of such a scan.
 * - Bytes outside any segment and after the end of the image are left out.
 * Throws image_undecodable, or unsupported_image for the one restart layout that jpeg-js cannot decode.
 */
export function streamForJpegJs(bytes: Uint8Array, header: JpegHeader, app14: Uint8Array): ArrayBuffer {
  const grids = blockGrids(header);
  const state: ScanState = {
    dcTables: 0,
    acTables: 0,
    scansOfComponent: header.components.map(() => 0),
  };
  const quantisation: (QuantisationTable | undefined)[] = [undefined, undefined, undefined, undefined];
  const pieces: Uint8Array[] = [Uint8Array.of(0xff, Marker.SOI), app14, frameSegment(header)];
  const frameBlocks = grids.reduce((sum, g) => sum + g.paddedPerLine * g.paddedPerColumn, 0);
  let interval = 0;
  let visits = 0;
  let tableBytes = 0;
  let sawFrame = false;
  for (let offset = 2; ; ) {
    const segment = nextSegment(bytes, offset);
    offset = segment.end;
    switch (segment.marker) {
      case Marker.EOI:
        checkComplete(header, state);
        pieces.push(Uint8Array.of(0xff, Marker.EOI));
        return concatenate(pieces);
      case Marker.DQT:
        readQuantisationTables(bytes, segment, quantisation);
        break;
      case Marker.DHT: {
        const { dc, ac } = huffmanTables(bytes, segment);
        state.dcTables |= dc;
        state.acTables |= ac;
        tableBytes += segment.end - segment.start;
        if (tableBytes > maxHuffmanTableBytes) throw undecodable("it has far more Huffman tables than scans");
        pieces.push(bytes.subarray(segment.start, segment.end));
        break;
      }
      case Marker.DRI:
        if (segment.end - segment.body !== 2)
          throw undecodable("its restart interval is not a 16-bit number");
        interval = readUint16(bytes, segment.body);
        break;
      case Marker.SOS: {
        const scan = parseScan(bytes, segment, header);
        checkScanScript(scan, header, state);
        const units = scanUnits(scan, header, grids);
        visits += units.blocks;
        if (visits > maxVisitsPerBlock * frameBlocks) throw undecodable("it repeats its scans far too often");
        const data = entropyCodedEnd(bytes, segment.end);
        const effective = effectiveInterval(interval, units, data.restarts);
        for (const index of scan.components) {
          if (state.scansOfComponent[index]!++ > 0) continue;
          const { quantisationTable: selector } = header.components[index]!;
          const table = quantisation[selector];
          if (!table) throw undecodable(`quantisation table ${selector} is missing`);
          pieces.push(quantisationSegment(index, table));
        }
        pieces.push(restartSegment(effective), bytes.subarray(segment.start, data.end));
        offset = data.end;
        break;
      }
      default:
        if (!isFrameHeader(segment.marker)) break;
        if (sawFrame) throw undecodable("it has two frame headers");
        sawFrame = true;
    }
  }
}

interface ScanUnits {
  /** MCUs of the scan; a scan of one component has one block per MCU. */
  readonly mcus: number;
  readonly blocks: number;
  /** The scan covers fewer rows than jpeg-js allocates, so that an overrun would consume bits. */
  readonly hasPaddingRows: boolean;
}

function scanUnits(scan: Scan, header: JpegHeader, grids: readonly BlockGrid[]): ScanUnits {
  const first = grids[scan.components[0]!]!;
  if (scan.components.length === 1) {
    const mcus = first.blocksPerLine * first.blocksPerColumn;
    return { mcus, blocks: mcus, hasPaddingRows: first.blocksPerColumn < first.paddedPerColumn };
  }
  const { maxH, maxV } = maxSampling(header.components);
  const mcus = Math.ceil(header.width / (8 * maxH)) * Math.ceil(header.height / (8 * maxV));
  const blocks = scan.components.reduce(
    (sum, i) => sum + grids[i]!.paddedPerLine * grids[i]!.paddedPerColumn,
    0,
  );
  return { mcus, blocks, hasPaddingRows: false };
}

/** The interval to hand to jpeg-js, 0 for none. A missing restart marker would end its scan without an error. */
function effectiveInterval(interval: number, units: ScanUnits, restarts: number): number {
  if (interval === 0 || interval >= units.mcus) return 0;
  const expected = Math.ceil(units.mcus / interval) - 1;
  if (restarts < expected) throw undecodable(`a scan has ${restarts} of its ${expected} restart markers`);
  if (units.mcus % interval !== 0 && units.hasPaddingRows) {
    throw new ClassifierError({
      code: "unsupported_image",
      detected: "a JPEG with restart markers in a non-interleaved scan of subsampled components",
      expected: "a JPEG without restart markers, or with interleaved scans",
    });
  }
  return interval;
}

/** Where entropy-coded data ends: the first marker that is not RSTn. Counts the RSTn on the way. */
function entropyCodedEnd(bytes: Uint8Array, start: number): { end: number; restarts: number } {
  let restarts = 0;
  for (let at = start; at + 1 < bytes.length; at++) {
    if (bytes[at] !== 0xff) continue;
    const next = bytes[at + 1]!;
    if (next === 0x00) {
      at++;
    } else if (next >= Marker.RST0 && next <= Marker.RST7) {
      restarts++;
      at++;
    } else if (next !== 0xff) {
      return { end: at, restarts };
    }
  }
  throw undecodable("the file ends inside its image data");
}

function checkComplete(header: JpegHeader, state: ScanState): void {
  const missing = state.scansOfComponent.indexOf(0);
  if (missing >= 0) throw undecodable(`component ${header.components[missing]!.id} has no image data`);
}

function frameSegment(header: JpegHeader): Uint8Array {
  const { width, height, components } = header;
  const marker = header.process === "progressive" ? Marker.SOF2 : Marker.SOF0;
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

function concatenate(pieces: readonly Uint8Array[]): ArrayBuffer {
  const joined = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    joined.set(piece, offset);
    offset += piece.length;
  }
  return joined.buffer;
}

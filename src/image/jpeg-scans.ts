/**
 * Reads the segments of a JPEG and checks everything that the decoder relies on: tables, scan scripts, restart markers, the
 * end of the data, and how much work the file asks for. Decodes nothing.
 */
import { ClassifierError } from "../errors.ts";
import type { JpegHeader } from "./jpeg-header.ts";
import { checkScan, parseScan, type Scan, type ScanState, type ScanTables } from "./jpeg-scan-header.ts";
import { isFrameHeader, Marker, nextSegment, readUint16, undecodable } from "./jpeg-segments.ts";
import {
  type QuantisationTable,
  readHuffmanTables,
  readQuantisationTables,
  standardHuffmanTables,
} from "./jpeg-tables.ts";

/**
 * Visits per block, over all scans. The decoder visits each block in each scan, even if the scan codes it in no bits.
 * libjpeg's progressive script makes 6 visits, mozjpeg's about 12 at most. 16 leaves room and stops scan bombs.
 */
const maxVisitsPerBlock = 16;
/**
 * Block visits of one image. 16 MiB can code 100 million, which is seconds of CPU that cannot be interrupted. 50 megapixels
 * at 4:4:4 have 2.3 million blocks and 28 million visits with mozjpeg's script.
 */
export const maxBlockVisits = 32_000_000;
/**
 * Bytes of Huffman tables. Building the tree of a 22-byte table costs microseconds, so 16 MiB of them would cost seconds.
 * 32 scans with eight full tables each, more than any encoder writes, need 70 KB.
 */
export const maxHuffmanTableBytes = 128 * 1024;

/** One scan with the state of its file at that point. Offsets count bytes of the file. */
export interface CodedScan extends Scan {
  /** Entropy-coded data: [dataStart, dataEnd), the RSTn markers included. */
  readonly dataStart: number;
  readonly dataEnd: number;
  /** MCUs between restart markers, 0 if the scan needs none. All markers are present. */
  readonly restartInterval: number;
  /** One entry per component of the scan. */
  readonly tables: readonly ScanTables[];
}

/** A JPEG that is valid as far as can be checked without decoding. */
export interface CheckedJpeg {
  readonly bytes: Uint8Array;
  readonly header: JpegHeader;
  /** Every component occurs. What follows the end of the image is left out. */
  readonly scans: readonly CodedScan[];
  /** The quantisation table of each component: the one in its slot before its first scan (T.81 B.2.4.1). */
  readonly quantisers: readonly QuantisationTable[];
}

/**
 * Checks a whole file.
 * @throws ClassifierError image_undecodable, also if the file ends before its EOI marker; image_too_large (block_visits)
 */
export function checkJpeg(bytes: Uint8Array, header: JpegHeader): CheckedJpeg {
  const frameBlocks = header.components.reduce((sum, { paddedBlocks }) => sum + paddedBlocks, 0);
  const state: ScanState = { dc: [], ac: [], quantisers: header.components.map(() => undefined) };
  // Sequential files may omit the standard Huffman tables, as frames of Motion JPEG do.
  for (const table of header.process === "progressive" ? [] : standardHuffmanTables) {
    state[table.tableClass][table.slot] = table;
  }
  const slots: (QuantisationTable | undefined)[] = [];
  const scans: CodedScan[] = [];
  let huffmanBytes = 0;
  let interval = 0;
  let visits = 0;
  for (let offset = 2; ; ) {
    const segment = nextSegment(bytes, offset);
    offset = segment.end;
    switch (segment.marker) {
      case Marker.EOI:
        return {
          bytes,
          header,
          scans,
          quantisers: header.components.map(({ id }, i) => begun(state, i, id)),
        };
      case Marker.DQT:
        readQuantisationTables(bytes, segment, slots);
        break;
      case Marker.DHT:
        huffmanBytes += segment.end - segment.start;
        if (huffmanBytes > maxHuffmanTableBytes)
          throw undecodable("it has far more Huffman tables than scans");
        for (const table of readHuffmanTables(bytes, segment)) state[table.tableClass][table.slot] = table;
        break;
      case Marker.DRI:
        if (segment.end - segment.body !== 2)
          throw undecodable("its restart interval is not a 16-bit number");
        interval = readUint16(bytes, segment.body);
        break;
      case Marker.SOS: {
        const scan = parseScan(bytes, segment, header);
        const tables = checkScan(scan, state);
        const { mcus, blocks } = scanSize(scan, header);
        visits += blocks;
        refuseScanBomb(visits, frameBlocks);
        const { end, restarts } = entropyCodedEnd(bytes, segment.end);
        const restartInterval = neededInterval(interval, mcus, restarts);
        for (const index of scan.components) {
          state.quantisers[index] ??= slotOf(slots, header.components[index]!.quantisationTable);
        }
        scans.push({ ...scan, tables, dataStart: segment.end, dataEnd: end, restartInterval });
        offset = end;
        break;
      }
      default:
        // parseJpegHeader has read the only frame header before the first scan.
        if (isFrameHeader(segment.marker) && scans.length > 0) throw undecodable("it has two frame headers");
    }
  }
}

/** Refuses the file now, because decoding cannot be interrupted. */
function refuseScanBomb(visits: number, frameBlocks: number): void {
  if (visits > maxVisitsPerBlock * frameBlocks) throw undecodable("it repeats its scans far too often");
  if (visits <= maxBlockVisits) return;
  throw new ClassifierError({
    code: "image_too_large",
    unit: "block_visits",
    measured: visits,
    limit: maxBlockVisits,
  });
}

function scanSize(scan: Scan, header: JpegHeader): { mcus: number; blocks: number } {
  const components = scan.components.map((index) => header.components[index]!);
  if (components.length === 1) {
    const blocks = components[0]!.blocksPerLine * components[0]!.blocksPerColumn;
    return { mcus: blocks, blocks };
  }
  const blocks = components.reduce((sum, { paddedBlocks }) => sum + paddedBlocks, 0);
  return { mcus: header.mcusPerLine * header.mcusPerColumn, blocks };
}

function slotOf(slots: readonly (QuantisationTable | undefined)[], slot: number): QuantisationTable {
  const table = slots[slot];
  if (!table) throw undecodable(`quantisation table ${slot} is missing`);
  return table;
}

function begun({ quantisers }: ScanState, index: number, id: number): QuantisationTable {
  const table = quantisers[index];
  if (!table) throw undecodable(`component ${id} has no image data`);
  return table;
}

/** Checks that no restart marker is missing, because that would end the scan without an error. */
function neededInterval(interval: number, mcus: number, restarts: number): number {
  if (interval === 0 || interval >= mcus) return 0;
  const expected = Math.ceil(mcus / interval) - 1;
  if (restarts < expected) throw undecodable(`a scan has ${restarts} of its ${expected} restart markers`);
  return interval;
}

/** Finds the end of entropy-coded data: the first marker other than RSTn. Counts the RSTn markers. */
function entropyCodedEnd(bytes: Uint8Array, start: number): { end: number; restarts: number } {
  let restarts = 0;
  // FF is rare: indexOf skips the bytes between in native code.
  let at = bytes.indexOf(0xff, start);
  while (at >= 0 && at + 1 < bytes.length) {
    const next = bytes[at + 1]!;
    if (next === 0xff) {
      at++;
      continue;
    }
    if (next >= Marker.RST0 && next <= Marker.RST7) restarts++;
    else if (next !== 0) return { end: at, restarts };
    at = bytes.indexOf(0xff, at + 2);
  }
  throw undecodable("the file ends inside its image data");
}

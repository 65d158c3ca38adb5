/**
 * Walks a JPEG behind its header and checks everything that the decoder relies on: tables, scan scripts, restart markers, the
 * end of the data, and how much work the file asks for. Nothing is decoded here. Pure.
 */
import { ClassifierError } from "../errors.ts";
import { maxBlockVisits, maxHuffmanTableBytes, maxVisitsPerBlock } from "../limits.ts";
import { type BlockGrid, blockGrids, mcuGrid, paddedBlocks } from "./block-grid.ts";
import type { JpegHeader } from "./jpeg-header.ts";
import { checkScanScript, parseScan, type Scan, type ScanState } from "./jpeg-scan-header.ts";
import { isFrameHeader, Marker, nextSegment, readUint16, undecodable } from "./jpeg-segments.ts";
import {
  type HuffmanTable,
  type QuantisationTable,
  readHuffmanTables,
  readQuantisationTables,
} from "./jpeg-tables.ts";
import { standardHuffmanTables } from "./standard-huffman.ts";

/** One scan, and what stands before it. Offsets count bytes of the file. */
export interface CodedScan extends Scan {
  /** Entropy-coded data: [dataStart, dataEnd), the RSTn markers included. */
  readonly dataStart: number;
  readonly dataEnd: number;
  /** MCUs between restart markers, 0 where the scan needs none; the markers are all there. */
  readonly restartInterval: number;
  /** For each component of the scan: the Huffman tables in its slots, as of now. Those that the scan needs are there. */
  readonly tables: readonly {
    readonly dc: HuffmanTable | undefined;
    readonly ac: HuffmanTable | undefined;
  }[];
  /** For each component whose first scan this is: its table as of now, as T.81 B.2.4.1 demands. */
  readonly quantisation: readonly { readonly component: number; readonly table: QuantisationTable }[];
}

/** A JPEG that is sound as far as can be told without decoding. */
export interface CheckedJpeg {
  readonly bytes: Uint8Array;
  readonly header: JpegHeader;
  /** Every component occurs; what follows the end of the image is left out. */
  readonly scans: readonly CodedScan[];
}

/**
 * Checks a whole file behind its header.
 * @throws ClassifierError image_undecodable, also where the file is not complete up to its EOI marker; image_too_large (block_visits)
 */
export function checkJpeg(bytes: Uint8Array, header: JpegHeader): CheckedJpeg {
  const grids = blockGrids(header);
  const frameBlocks = grids.reduce((sum, grid) => sum + paddedBlocks(grid), 0);
  const state = newScanState(header);
  const quantisationSlots: (QuantisationTable | undefined)[] = [undefined, undefined, undefined, undefined];
  const scans: CodedScan[] = [];
  let huffmanBytes = 0;
  let interval = 0;
  let visits = 0;
  let sawFrame = false;
  for (let offset = 2; ; ) {
    const segment = nextSegment(bytes, offset);
    offset = segment.end;
    switch (segment.marker) {
      case Marker.EOI:
        checkComplete(header, state);
        return { bytes, header, scans };
      case Marker.DQT:
        readQuantisationTables(bytes, segment, quantisationSlots);
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
        checkScanScript(scan, header, state);
        const { mcus, blocks } = scanSize(scan, header, grids);
        visits += blocks;
        refuseScanBomb(visits, frameBlocks);
        const data = entropyCodedEnd(bytes, segment.end);
        scans.push({
          ...scan,
          dataStart: segment.end,
          dataEnd: data.end,
          restartInterval: neededInterval(interval, mcus, data.restarts),
          tables: scan.components.map((_, i) => ({
            dc: state.dc[scan.dcSlots[i]!],
            ac: state.ac[scan.acSlots[i]!],
          })),
          quantisation: latchQuantisation(scan, header, state, quantisationSlots),
        });
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

/** Before the first scan. Sequential files may leave out the standard Huffman tables, as frames of Motion JPEG do. */
function newScanState({ process, components }: JpegHeader): ScanState {
  const state: ScanState = { dc: [], ac: [], scansOfComponent: components.map(() => 0) };
  if (process === "progressive") return state;
  for (const table of standardHuffmanTables) state[table.tableClass][table.slot] = table;
  return state;
}

/** Before anything is decoded, because decoding cannot be interrupted. */
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

function scanSize(
  scan: Scan,
  header: JpegHeader,
  grids: readonly BlockGrid[],
): { mcus: number; blocks: number } {
  if (scan.components.length === 1) {
    const { blocksPerLine, blocksPerColumn } = grids[scan.components[0]!]!;
    return { mcus: blocksPerLine * blocksPerColumn, blocks: blocksPerLine * blocksPerColumn };
  }
  const { perLine, perColumn } = mcuGrid(header);
  const blocks = scan.components.reduce((sum, index) => sum + paddedBlocks(grids[index]!), 0);
  return { mcus: perLine * perColumn, blocks };
}

/** Counts the scan for its components; the tables of those that begin here. */
function latchQuantisation(
  scan: Scan,
  header: JpegHeader,
  state: ScanState,
  slots: readonly (QuantisationTable | undefined)[],
): CodedScan["quantisation"] {
  const latched: { component: number; table: QuantisationTable }[] = [];
  for (const component of scan.components) {
    if (state.scansOfComponent[component]!++ > 0) continue;
    const { quantisationTable: slot } = header.components[component]!;
    const table = slots[slot];
    if (!table) throw undecodable(`quantisation table ${slot} is missing`);
    latched.push({ component, table });
  }
  return latched;
}

/** A missing restart marker would end a scan without an error. */
function neededInterval(interval: number, mcus: number, restarts: number): number {
  if (interval === 0 || interval >= mcus) return 0;
  const expected = Math.ceil(mcus / interval) - 1;
  if (restarts < expected) throw undecodable(`a scan has ${restarts} of its ${expected} restart markers`);
  return interval;
}

/** Where entropy-coded data ends: the first marker that is not RSTn. Counts the RSTn on the way. */
function entropyCodedEnd(bytes: Uint8Array, start: number): { end: number; restarts: number } {
  let restarts = 0;
  // FF is rare: indexOf passes over what is between in native code.
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

function checkComplete(header: JpegHeader, state: ScanState): void {
  const missing = state.scansOfComponent.indexOf(0);
  if (missing >= 0) throw undecodable(`component ${header.components[missing]!.id} has no image data`);
}

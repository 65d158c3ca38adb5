/**
 * Reads the tables and scan headers of a JPEG and checks everything that the decoder relies on: tables, scan scripts, restart
 * markers, the end of the data, and how much work the file asks for. Decodes nothing.
 */
import { undecodable } from "../../errors.ts";
import { checkLimit } from "../rgb-image.ts";
import { isFrameHeader, type JpegHeader, Marker, nextSegment, readUint16, type Segment } from "./header.ts";

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
  checkLimit("block_visits", visits, maxBlockVisits);
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

// Scan headers (ITU-T T.81, B.2.3 and G.1.1.1).

/** How a scan codes its coefficients (T.81 F.2 and G.1). */
export type Coding = "sequential" | "dc-first" | "dc-refinement" | "ac-first" | "ac-refinement";

/** The header of a scan. */
export interface Scan {
  readonly coding: Coding;
  /** Indices into the header's components. */
  readonly components: readonly number[];
  /** Huffman table slots, one per component of the scan. */
  readonly dcSlots: readonly number[];
  readonly acSlots: readonly number[];
  /** First and last coefficient, in zigzag order. */
  readonly spectralStart: number;
  readonly spectralEnd: number;
  /** Successive approximation: bit position of the scan before, and of this one. */
  readonly approximationHigh: number;
  readonly approximationLow: number;
}

/** The Huffman tables that a scan needs for one component. */
export interface ScanTables {
  readonly dc: HuffmanTable | undefined;
  readonly ac: HuffmanTable | undefined;
}

/** What the segments before a scan define. */
interface ScanState {
  /** Huffman tables by slot. */
  readonly dc: (HuffmanTable | undefined)[];
  readonly ac: (HuffmanTable | undefined)[];
  /** The quantisation table of each component that a scan has begun. */
  readonly quantisers: (QuantisationTable | undefined)[];
}

/**
 * Parses an SOS segment. If several components of the frame have the same id, each selector with that id means the next one
 * of them, as in libjpeg.
 * @throws ClassifierError image_undecodable
 */
function parseScan(bytes: Uint8Array, segment: Segment, header: JpegHeader): Scan {
  const { body, end } = segment;
  const count = end > body ? bytes[body]! : 0;
  if (count < 1 || count > 4 || end - body !== 4 + 2 * count) {
    throw undecodable(`a scan header has ${end - body} bytes for ${count} components`);
  }
  const components: number[] = [];
  const dcSlots: number[] = [];
  const acSlots: number[] = [];
  for (let at = body + 1; at < body + 1 + 2 * count; at += 2) {
    const id = bytes[at]!;
    const index = header.components.findIndex((c, i) => c.id === id && !components.includes(i));
    if (index < 0) throw undecodable(unknownComponent(id, header));
    components.push(index);
    dcSlots.push(bytes[at + 1]! >> 4);
    acSlots.push(bytes[at + 1]! & 15);
  }
  const spectralStart = bytes[end - 3]!;
  const approximationHigh = bytes[end - 1]! >> 4;
  return {
    coding: codingOf(header, spectralStart, approximationHigh),
    ...{ components, dcSlots, acSlots, spectralStart, approximationHigh },
    spectralEnd: bytes[end - 2]!,
    approximationLow: bytes[end - 1]! & 15,
  };
}

function codingOf({ process }: JpegHeader, spectralStart: number, approximationHigh: number): Coding {
  // Sequential scans have no successive approximation, whatever their headers say.
  if (process !== "progressive") return "sequential";
  if (spectralStart === 0) return approximationHigh > 0 ? "dc-refinement" : "dc-first";
  return approximationHigh > 0 ? "ac-refinement" : "ac-first";
}

function unknownComponent(id: number, { components }: JpegHeader): string {
  const count = components.filter((c) => c.id === id).length;
  if (count === 0) return `a scan names component ${id}, which the frame does not have`;
  return `a scan names component ${id} ${count === 1 ? "twice" : "too often"}`;
}

/**
 * Checks that a scan follows the rules of its process.
 * @returns the tables that the scan needs, one entry per component of the scan
 * @throws ClassifierError image_undecodable
 */
function checkScan(scan: Scan, { dc, ac, quantisers }: ScanState): readonly ScanTables[] {
  const { coding, components, dcSlots, acSlots } = scan;
  if (coding !== "sequential") checkProgressive(scan, quantisers);
  // A sequential scan codes its components completely (T.81 B.2.3). Some encoders write wrong ranges into its header.
  else if (components.some((index) => quantisers[index])) throw undecodable("it codes a component twice");
  const needsDc = coding === "sequential" || coding === "dc-first";
  const needsAc = coding !== "dc-first" && coding !== "dc-refinement";
  return components.map((_, i) => ({
    dc: needsDc ? tableIn(dc, dcSlots[i]!, "DC") : undefined,
    ac: needsAc ? tableIn(ac, acSlots[i]!, "AC") : undefined,
  }));
}

function checkProgressive(scan: Scan, quantisers: ScanState["quantisers"]): void {
  const { coding, spectralStart, spectralEnd, approximationHigh: high, approximationLow: low } = scan;
  const isDc = spectralStart === 0;
  const badSpectrum = isDc ? spectralEnd !== 0 : spectralEnd < spectralStart || spectralEnd > 63;
  if (badSpectrum || (!isDc && scan.components.length > 1)) {
    throw undecodable(
      `a progressive scan codes coefficients ${spectralStart} to ${spectralEnd} of ${scan.components.length} components`,
    );
  }
  if (low > 13 || (high !== 0 && high !== low + 1)) {
    throw undecodable(`a progressive scan refines bit ${high} to bit ${low}`);
  }
  if (coding !== "dc-first" && scan.components.some((index) => !quantisers[index])) {
    throw undecodable("a progressive scan refines a component that no scan has begun");
  }
}

function tableIn(tables: ScanState["dc"], slot: number, kind: "DC" | "AC"): HuffmanTable {
  const table = tables[slot];
  if (!table) throw undecodable(`${kind} Huffman table ${slot} is missing`);
  return table;
}

// Quantisation and Huffman tables (ITU-T T.81, B.2.4).

/** A quantisation table as it stands in the file. */
export interface QuantisationTable {
  /** 0: 64 values of one byte. 1: 64 values of two bytes, big-endian. */
  readonly precision: 0 | 1;
  /** The values in zigzag order. A view, not a copy. */
  readonly values: Uint8Array;
}

/**
 * Stores the tables of one DQT segment in their slots, 0 to 3.
 * @throws ClassifierError image_undecodable
 */
function readQuantisationTables(
  bytes: Uint8Array,
  segment: Segment,
  slots: (QuantisationTable | undefined)[],
): void {
  for (let at = segment.body; at < segment.end; ) {
    const precision = bytes[at]! >> 4;
    const slot = bytes[at]! & 15;
    if ((precision !== 0 && precision !== 1) || slot > 3) {
      throw undecodable(`a quantisation table has precision ${precision} and slot ${slot}`);
    }
    const start = at + 1;
    at = start + 64 * (precision + 1);
    if (at > segment.end) throw undecodable("a quantisation table is cut short");
    slots[slot] = { precision, values: bytes.subarray(start, at) };
  }
}

/** A Huffman table as it stands in the file. */
export interface HuffmanTable {
  readonly tableClass: "dc" | "ac";
  readonly slot: number;
  /** Number of codes of 1 to 16 bits: 16 counts. A view, like the symbols. */
  readonly counts: Uint8Array;
  /** By rising length, and by rising code within a length. */
  readonly symbols: Uint8Array;
}

/**
 * Returns the tables of one DHT segment.
 * @throws ClassifierError image_undecodable
 */
function readHuffmanTables(bytes: Uint8Array, segment: Segment): readonly HuffmanTable[] {
  const tables: HuffmanTable[] = [];
  for (let at = segment.body; at < segment.end; ) {
    const tableClass = bytes[at]! >> 4;
    const slot = bytes[at]! & 15;
    if ((tableClass !== 0 && tableClass !== 1) || slot > 3) {
      throw undecodable(`a Huffman table has class ${tableClass} and slot ${slot}`);
    }
    const start = at + 17;
    if (start > segment.end) throw undecodable("a Huffman table is cut short");
    const counts = bytes.subarray(at + 1, start);
    at = start + countCodes(counts);
    if (at > segment.end) throw undecodable("a Huffman table is cut short");
    tables.push({
      tableClass: tableClass === 0 ? "dc" : "ac",
      slot,
      counts,
      symbols: bytes.subarray(start, at),
    });
  }
  return tables;
}

/** Adds up the 16 counts of a table. Refuses more codes of a length than its bits can distinguish. */
function countCodes(counts: Uint8Array): number {
  let count = 0;
  let free = 1;
  for (let length = 1; length <= 16; length++) {
    const codes = counts[length - 1]!;
    count += codes;
    free = free * 2 - codes;
    if (free < 0) throw undecodable(`a Huffman table has too many codes of ${length} bits`);
  }
  if (count > 256) throw undecodable(`a Huffman table has ${count} codes; the most is 256`);
  return count;
}

/** Body of a DHT segment with the typical tables of T.81 annex K.3, in hex: K.3 and K.4 for DC, K.5 and K.6 for AC. */
const standardTablesHex = [
  "0000010501010101010100000000000000000102030405060708090a0b",
  "0100030101010101010101010000000000000102030405060708090a0b",
  "100002010303020403050504040000017d010203000411051221314106135161072271143281",
  "91a1082342b1c11552d1f02433627282090a161718191a25262728292a3435363738393a434445464748494a535455565758",
  "595a636465666768696a737475767778797a838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7",
  "b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa",
  "1100020102040403040705040400010277000102031104052131061241510761711322328108",
  "144291a1b1c109233352f0156272d10a162434e125f11718191a262728292a35363738393a434445464748494a5354555657",
  "58595a636465666768696a737475767778797a82838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5",
  "b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8f9fa",
].join("");
const standardTables = Uint8Array.from(standardTablesHex.match(/../g)!, (hex) => Number.parseInt(hex, 16));

/** Motion JPEG frames omit the Huffman tables. libjpeg-turbo and AVI readers then use these standard tables. */
const standardHuffmanTables = readHuffmanTables(standardTables, {
  ...{ marker: Marker.DHT, start: 0, body: 0 },
  end: standardTables.length,
});

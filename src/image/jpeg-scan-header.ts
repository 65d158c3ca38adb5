/** Scan headers (ITU-T T.81, B.2.3 and G.1.1.1): parsed, and checked against the scans before them. Pure. */
import type { JpegHeader } from "./jpeg-header.ts";
import { type Segment, undecodable } from "./jpeg-segments.ts";
import type { HuffmanTable } from "./jpeg-tables.ts";

export interface Scan {
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

/** What the segments before a scan have established. */
export interface ScanState {
  /** Huffman tables by slot. */
  readonly dc: (HuffmanTable | undefined)[];
  readonly ac: (HuffmanTable | undefined)[];
  readonly scansOfComponent: number[];
}

/**
 * Parses an SOS segment. Where several components of the frame have the same id, each selector with that id means the next
 * of them, as libjpeg reads such files.
 * @throws ClassifierError image_undecodable
 */
export function parseScan(bytes: Uint8Array, segment: Segment, header: JpegHeader): Scan {
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
  const approximation = bytes[end - 1]!;
  return {
    components,
    dcSlots,
    acSlots,
    spectralStart: bytes[end - 3]!,
    spectralEnd: bytes[end - 2]!,
    approximationHigh: approximation >> 4,
    approximationLow: approximation & 15,
  };
}

function unknownComponent(id: number, { components }: JpegHeader): string {
  const count = components.filter((c) => c.id === id).length;
  if (count === 0) return `a scan names component ${id}, which the frame does not have`;
  return `a scan names component ${id} ${count === 1 ? "twice" : "too often"}`;
}

/** Throws image_undecodable where the scan breaks the rules of its process or needs a table that is not there. */
export function checkScanScript(scan: Scan, header: JpegHeader, state: ScanState): void {
  if (header.process === "progressive") {
    checkProgressive(scan, state);
    if (scan.spectralStart > 0) needTables(scan.acSlots, state.ac, "AC");
    else if (scan.approximationHigh === 0) needTables(scan.dcSlots, state.dc, "DC");
    return;
  }
  // A sequential scan holds the whole of its components (T.81 B.2.3); encoders that mislabel the range exist.
  if (scan.components.some((index) => state.scansOfComponent[index]! > 0)) {
    throw undecodable("it codes a component twice");
  }
  needTables(scan.dcSlots, state.dc, "DC");
  needTables(scan.acSlots, state.ac, "AC");
}

function checkProgressive(scan: Scan, state: ScanState): void {
  const { spectralStart, spectralEnd, approximationHigh: high, approximationLow: low, components } = scan;
  const isDc = spectralStart === 0;
  const badSpectrum = isDc ? spectralEnd !== 0 : spectralEnd < spectralStart || spectralEnd > 63;
  if (badSpectrum || (!isDc && components.length > 1)) {
    throw undecodable(
      `a progressive scan codes coefficients ${spectralStart} to ${spectralEnd} of ${components.length} components`,
    );
  }
  if (low > 13 || (high !== 0 && high !== low + 1)) {
    throw undecodable(`a progressive scan refines bit ${high} to bit ${low}`);
  }
  const isFirst = isDc && high === 0;
  if (!isFirst && components.some((index) => state.scansOfComponent[index] === 0)) {
    throw undecodable("a progressive scan refines a component that no scan has begun");
  }
}

function needTables(
  slots: readonly number[],
  tables: readonly (HuffmanTable | undefined)[],
  kind: "DC" | "AC",
): void {
  const missing = slots.find((slot) => tables[slot] === undefined);
  if (missing !== undefined) throw undecodable(`${kind} Huffman table ${missing} is missing`);
}

/** Scan headers (ITU-T T.81, B.2.3 and G.1.1.1): parsed, and checked against the scans before them. */
import type { JpegHeader } from "./jpeg-header.ts";
import { type Segment, undecodable } from "./jpeg-segments.ts";
import type { HuffmanTable, QuantisationTable } from "./jpeg-tables.ts";

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
export interface ScanState {
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
export function checkScan(scan: Scan, { dc, ac, quantisers }: ScanState): readonly ScanTables[] {
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

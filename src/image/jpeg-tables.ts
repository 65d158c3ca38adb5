/** Quantisation and Huffman table segments (ITU-T T.81, B.2.4), checked before any decoder reads them. Pure. */
import { type Segment, undecodable } from "./jpeg-segments.ts";

export interface QuantisationTable {
  /** 0: 64 values of one byte. 1: 64 of two, big-endian. */
  readonly precision: 0 | 1;
  /** The values as they stand in the file, in zigzag order. A view, not a copy. */
  readonly values: Uint8Array;
}

/** Puts the tables of one DQT segment into their slots, 0 to 3. Throws image_undecodable. */
export function readQuantisationTables(
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

export interface HuffmanTable {
  readonly tableClass: "dc" | "ac";
  readonly slot: number;
  /** Codes of 1 to 16 bits: 16 counts. A view, as are the symbols. */
  readonly counts: Uint8Array;
  /** By rising length, and by rising code within a length. */
  readonly symbols: Uint8Array;
}

/** The tables of one DHT segment. Throws image_undecodable. */
export function readHuffmanTables(bytes: Uint8Array, segment: Segment): readonly HuffmanTable[] {
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

/** Codes of a table by its 16 counts per length; more codes of a length than bits can tell apart are refused. */
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

/** Quantisation and Huffman table segments (ITU-T T.81, B.2.4), checked before jpeg-js reads them. Pure. */
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

/** The slots that one DHT segment fills, as bit masks. Throws image_undecodable. */
export function huffmanTables(bytes: Uint8Array, segment: Segment): { dc: number; ac: number } {
  const masks: [number, number] = [0, 0];
  for (let at = segment.body; at < segment.end; ) {
    const tableClass = bytes[at]! >> 4;
    const slot = bytes[at]! & 15;
    if ((tableClass !== 0 && tableClass !== 1) || slot > 3) {
      throw undecodable(`a Huffman table has class ${tableClass} and slot ${slot}`);
    }
    const symbols = at + 17;
    if (symbols > segment.end) throw undecodable("a Huffman table is cut short");
    const count = countCodes(bytes, at + 1);
    at = symbols + count;
    if (at > segment.end) throw undecodable("a Huffman table is cut short");
    masks[tableClass] |= 1 << slot;
  }
  return { dc: masks[0], ac: masks[1] };
}

/** Codes of a table by its 16 counts per length; more codes of a length than bits can tell apart are refused. */
function countCodes(bytes: Uint8Array, start: number): number {
  let count = 0;
  let free = 1;
  for (let length = 1; length <= 16; length++) {
    const codes = bytes[start + length - 1]!;
    count += codes;
    free = free * 2 - codes;
    if (free < 0) throw undecodable(`a Huffman table has too many codes of ${length} bits`);
  }
  if (count > 256) throw undecodable(`a Huffman table has ${count} codes; the most is 256`);
  return count;
}

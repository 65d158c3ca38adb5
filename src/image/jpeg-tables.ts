/** Quantisation and Huffman table segments (ITU-T T.81, B.2.4), checked before any decoder uses them. */
import { Marker, type Segment, undecodable } from "./jpeg-segments.ts";

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

/** Motion JPEG omits the Huffman tables from every frame and means these. libjpeg-turbo and AVI readers assume the same. */
export const standardHuffmanTables = readHuffmanTables(standardTables, {
  ...{ marker: Marker.DHT, start: 0, body: 0 },
  end: standardTables.length,
});

/**
 * Reads one scan, a row of MCUs at a time (ITU-T T.81, F.2 sequential and G.1 progressive). The decoder runs the readers of
 * all scans side by side, so even a progressive file needs only the coefficients of one row of MCUs in memory.
 */

import { undecodable } from "../../errors.ts";
import type { ComponentRows, ScaledComponent } from "./component.ts";
import {
  AcDecoder,
  acDecoderBytes,
  EntropyReader,
  HuffmanDecoder,
  huffmanDecoderBytes,
  zigzag,
} from "./entropy-reader.ts";
import type { CheckedJpeg, CodedScan, Coding, HuffmanTable, ScanTables } from "./scans.ts";

/** Bits of the largest DC difference of 8-bit samples (T.81 table F.1). */
const maxDifferenceBits = 11;

/**
 * Returns the scans that a decode at this scale reads. Leaves out a scan whose coefficients no inverse DCT uses, unless a
 * scan that is read refines these coefficients: a refinement cannot be parsed without them.
 */
export function neededScans(
  { header, scans }: CheckedJpeg,
  components: readonly ScaledComponent[],
): readonly CodedScan[] {
  if (header.process !== "progressive") return scans;
  const last = components.map(({ lastCoefficient }) => lastCoefficient);
  const needed: CodedScan[] = [];
  for (const scan of scans.toReversed()) {
    if (!scan.components.some((index) => scan.spectralStart <= last[index]!)) continue;
    needed.push(scan);
    if (scan.coding !== "ac-refinement") continue;
    for (const index of scan.components) last[index] = Math.max(last[index]!, scan.spectralEnd);
  }
  return needed.reverse();
}

/** Bytes of the Huffman tables that a decode prepares. */
export function huffmanBytes(jpeg: CheckedJpeg, components: readonly ScaledComponent[]): number {
  const tables = neededScans(jpeg, components).flatMap((scan) => scan.tables);
  const dcTables = new Set(tables.flatMap(({ dc }) => dc ?? []));
  const acTables = new Set(tables.flatMap(({ ac }) => ac ?? []));
  const acBytes = jpeg.header.process === "progressive" ? huffmanDecoderBytes : acDecoderBytes;
  return dcTables.size * huffmanDecoderBytes + acTables.size * acBytes;
}

/** The prepared Huffman tables of a decode. Scans that share a table share its decoder. */
export class HuffmanDecoders {
  readonly #plain = new Map<HuffmanTable, HuffmanDecoder>();
  readonly #ac = new Map<HuffmanTable, AcDecoder>();

  /** For DC codes, and for the AC codes of progressive scans. */
  plain(table: HuffmanTable): HuffmanDecoder {
    const decoder = this.#plain.get(table) ?? new HuffmanDecoder(table);
    this.#plain.set(table, decoder);
    return decoder;
  }

  /** For the AC codes of sequential scans. */
  ac(table: HuffmanTable): AcDecoder {
    const decoder = this.#ac.get(table) ?? new AcDecoder(table);
    this.#ac.set(table, decoder);
    return decoder;
  }
}

/** A component as one scan codes it. */
class ScanComponent {
  readonly rows: ComponentRows;
  /** Blocks of an MCU of this scan. */
  readonly h: number;
  readonly v: number;
  readonly dc: HuffmanDecoder | undefined;
  readonly ac: AcDecoder | undefined;
  readonly plainAc: HuffmanDecoder | undefined;
  /** DC coefficient of the previous block. */
  prediction = 0;

  constructor(rows: ComponentRows, { dc, ac }: ScanTables, coding: Coding, decoders: HuffmanDecoders) {
    this.rows = rows;
    this.h = rows.shape.h;
    this.v = rows.shape.v;
    this.dc = dc && decoders.plain(dc);
    this.ac = ac && coding === "sequential" ? decoders.ac(ac) : undefined;
    this.plainAc = ac && coding !== "sequential" ? decoders.plain(ac) : undefined;
  }
}

/** One scan of a decode. */
export class ScanReader {
  readonly #reader: EntropyReader;
  readonly #coding: Coding;
  readonly #parts: readonly ScanComponent[];
  readonly #mcusPerLine: number;
  readonly #spectralStart: number;
  readonly #spectralEnd: number;
  readonly #low: number;
  readonly #restartInterval: number;
  #mcusToRestart: number;
  /** Following blocks that the last end-of-band code covers (T.81 G.1.2.2). */
  #endOfBandRun = 0;

  /** @param components all components of the frame */
  constructor(
    { bytes, header }: CheckedJpeg,
    scan: CodedScan,
    components: readonly ComponentRows[],
    decoders: HuffmanDecoders,
  ) {
    this.#reader = new EntropyReader(bytes, scan.dataStart, scan.dataEnd);
    this.#coding = scan.coding;
    this.#parts = scan.components.map(
      (index, n) => new ScanComponent(components[index]!, scan.tables[n]!, scan.coding, decoders),
    );
    this.#mcusPerLine = header.mcusPerLine;
    this.#spectralStart = scan.spectralStart;
    this.#spectralEnd = scan.spectralEnd;
    this.#low = scan.approximationLow;
    this.#restartInterval = scan.restartInterval;
    this.#mcusToRestart = scan.restartInterval;
  }

  /**
   * Adds the coefficients that this scan codes for the next row of MCUs.
   * @throws ClassifierError image_undecodable
   */
  readMcuRow(mcuRow: number): void {
    if (this.#parts.length === 1) this.#readAlone(this.#parts[0]!, mcuRow);
    else this.#readInterleaved();
  }

  /** If a component is alone in its scan, an MCU is one block, whatever its sampling factors (T.81 A.2.2). */
  #readAlone(part: ScanComponent, mcuRow: number): void {
    const { v, blocksPerLine, blocksPerColumn, paddedPerLine } = part.rows.shape;
    const rows = Math.min(v, blocksPerColumn - mcuRow * v);
    for (let y = 0; y < rows; y++) {
      for (let x = 0; x < blocksPerLine; x++) {
        this.#beginMcu();
        this.#readBlock(part, y * paddedPerLine + x);
      }
    }
  }

  #readInterleaved(): void {
    for (let mcu = 0; mcu < this.#mcusPerLine; mcu++) {
      this.#beginMcu();
      for (let i = 0; i < this.#parts.length; i++) {
        const part = this.#parts[i]!;
        const { paddedPerLine } = part.rows.shape;
        for (let y = 0; y < part.v; y++) {
          const block = y * paddedPerLine + mcu * part.h;
          for (let x = 0; x < part.h; x++) this.#readBlock(part, block + x);
        }
      }
    }
  }

  #beginMcu(): void {
    if (this.#restartInterval === 0) return;
    if (this.#mcusToRestart === 0) {
      this.#reader.restart();
      this.#endOfBandRun = 0;
      for (const part of this.#parts) part.prediction = 0;
      this.#mcusToRestart = this.#restartInterval;
    }
    this.#mcusToRestart--;
  }

  #readBlock(part: ScanComponent, block: number): void {
    const { coefficients, shape } = part.rows;
    const start = block * shape.coefficientsPerBlock;
    if (this.#coding === "sequential") this.#sequential(part, block);
    else if (this.#coding === "dc-first") coefficients[start] = this.#nextDc(part) << this.#low;
    else if (this.#coding === "dc-refinement") coefficients[start]! |= this.#reader.bits(1) << this.#low;
    else if (this.#coding === "ac-first") this.#acFirst(part, block);
    else this.#acRefinement(part, block);
  }

  #nextDc(part: ScanComponent): number {
    const bits = this.#reader.symbol(part.dc!);
    if (bits > maxDifferenceBits) throw undecodable("its compressed data is broken (DC out of range)");
    part.prediction += this.#reader.signed(bits);
    return part.prediction;
  }

  #sequential(part: ScanComponent, block: number): void {
    const { coefficients, extents, shape } = part.rows;
    const start = block * shape.coefficientsPerBlock;
    coefficients[start] = this.#nextDc(part);
    if (shape.lastCoefficient === 0) this.#reader.skipAc(part.ac!);
    else extents[block] = this.#reader.readAc(part.ac!, coefficients, start, shape.lastCoefficient);
  }

  /** T.81 figure G.3. */
  #acFirst(part: ScanComponent, block: number): void {
    if (this.#endOfBandRun > 0) {
      this.#endOfBandRun--;
      return;
    }
    const reader = this.#reader;
    const { coefficients, extents, shape } = part.rows;
    const start = block * shape.coefficientsPerBlock;
    for (let k = this.#spectralStart; k <= this.#spectralEnd; k++) {
      const symbol = reader.symbol(part.plainAc!);
      const run = symbol >> 4;
      const size = symbol & 15;
      if (size === 0) {
        if (run < 15) {
          this.#endOfBandRun = (1 << run) + reader.bits(run) - 1;
          return;
        }
        k += 15;
        continue;
      }
      k += run;
      coefficients[start + zigzag[k]!] = reader.signed(size) << this.#low;
      if (k > extents[block]!) extents[block] = Math.min(k, 63);
    }
  }

  /** T.81 G.1.2.3 and figure G.7: another bit of each coefficient that is not zero, and new coefficients of one bit. */
  #acRefinement(part: ScanComponent, block: number): void {
    const reader = this.#reader;
    const { coefficients, extents, shape } = part.rows;
    const start = block * shape.coefficientsPerBlock;
    const bit = 1 << this.#low;
    let k = this.#spectralStart;
    if (this.#endOfBandRun === 0) {
      for (; k <= this.#spectralEnd; k++) {
        const symbol = reader.symbol(part.plainAc!);
        let zeros = symbol >> 4;
        let value = 0;
        if ((symbol & 15) !== 0) {
          value = reader.bits(1) === 1 ? bit : -bit;
        } else if (zeros < 15) {
          this.#endOfBandRun = (1 << zeros) + reader.bits(zeros);
          break;
        }
        for (; k <= this.#spectralEnd; k++) {
          const at = start + zigzag[k]!;
          if (coefficients[at] !== 0) this.#refine(coefficients, at, bit);
          else if (--zeros < 0) break;
        }
        if (value === 0) continue;
        coefficients[start + zigzag[k]!] = value;
        if (k > extents[block]!) extents[block] = Math.min(k, 63);
      }
    }
    if (this.#endOfBandRun === 0) return;
    this.#endOfBandRun--;
    const last = Math.min(this.#spectralEnd, extents[block]!);
    for (; k <= last; k++) {
      const at = start + zigzag[k]!;
      if (coefficients[at] !== 0) this.#refine(coefficients, at, bit);
    }
  }

  #refine(coefficients: Int16Array, at: number, bit: number): void {
    if (this.#reader.bits(1) === 0) return;
    const value = coefficients[at]!;
    if ((value & bit) === 0) coefficients[at] = value + (value >= 0 ? bit : -bit);
  }
}

/**
 * The DC coefficients of a JPEG: the mean of each 8x8 block (ITU-T T.81, F.2.2.1 and G.1.2.1). The AC scans of a
 * progressive file are passed over unread, those of a sequential one are read and dropped. Pure.
 */
import { type BlockGrid, blockGrids, mcuGrid, paddedBlocks } from "./block-grid.ts";
import { AcSkipper, EntropyReader, HuffmanDecoder } from "./entropy-reader.ts";
import type { JpegHeader } from "./jpeg-header.ts";
import type { CheckedJpeg, CodedScan } from "./jpeg-scans.ts";
import { undecodable } from "./jpeg-segments.ts";
import type { HuffmanTable } from "./jpeg-tables.ts";

/** Bits of the largest DC difference of 8-bit samples (T.81 table F.1). */
const maxDifferenceBits = 11;

/** Per component, for each block of the padded grid: the DC coefficient, not yet multiplied by its quantiser. */
export function readDcCoefficients({ bytes, header, scans }: CheckedJpeg): readonly Int16Array[] {
  const grids = blockGrids(header);
  const planes = grids.map((grid) => new Int16Array(paddedBlocks(grid)));
  const tables = { dc: new Map<number, HuffmanTable>(), ac: new Map<number, HuffmanTable>() };
  for (const scan of scans) {
    for (const table of scan.huffmanTables) tables[table.tableClass].set(table.slot, table);
    if (header.process === "progressive" && scan.spectralStart > 0) continue;
    const reader = new EntropyReader(bytes, scan.dataStart, scan.dataEnd);
    const coders = scan.components.map((index, i) => {
      const dc = tables.dc.get(scan.dcSlots[i]!);
      const ac = tables.ac.get(scan.acSlots[i]!);
      return new BlockReader(planes[index]!, reader, scan, header, dc, ac);
    });
    readScan(scan, header, grids, coders, reader);
  }
  return planes;
}

/** Calls the block readers in the order in which the scan holds its blocks (T.81 A.2). */
function readScan(
  scan: CodedScan,
  header: JpegHeader,
  grids: readonly BlockGrid[],
  readers: readonly BlockReader[],
  reader: EntropyReader,
): void {
  const lone = scan.components.length === 1;
  const parts = scan.components.map((index, i) => ({
    blocks: readers[i]!,
    // A lone component's MCU is one block, whatever its sampling factors.
    h: lone ? 1 : header.components[index]!.h,
    v: lone ? 1 : header.components[index]!.v,
    stride: grids[index]!.paddedPerLine,
  }));
  const perLine = lone ? grids[scan.components[0]!]!.blocksPerLine : mcuGrid(header).perLine;
  for (let mcu = 0; mcu < scan.mcus; mcu++) {
    if (scan.restartInterval > 0 && mcu > 0 && mcu % scan.restartInterval === 0) {
      reader.restart();
      for (const blocks of readers) blocks.restart();
    }
    const mcuX = mcu % perLine;
    const mcuY = (mcu - mcuX) / perLine;
    for (const { blocks, h, v, stride } of parts) {
      for (let y = 0; y < v; y++) {
        const row = (mcuY * v + y) * stride + mcuX * h;
        for (let x = 0; x < h; x++) blocks.read(row + x);
      }
    }
  }
}

/** Reads the blocks of one component in one scan. */
class BlockReader {
  readonly #plane: Int16Array;
  readonly #reader: EntropyReader;
  readonly #low: number;
  readonly #refines: boolean;
  readonly #dc: HuffmanDecoder | undefined;
  /** Undefined in a progressive file: its DC scans hold nothing else. */
  readonly #ac: AcSkipper | undefined;
  #prediction = 0;

  constructor(
    plane: Int16Array,
    reader: EntropyReader,
    scan: CodedScan,
    header: JpegHeader,
    dc: HuffmanTable | undefined,
    ac: HuffmanTable | undefined,
  ) {
    const progressive = header.process === "progressive";
    this.#plane = plane;
    this.#reader = reader;
    // Sequential scans have no successive approximation, whatever their headers say.
    this.#low = progressive ? scan.approximationLow : 0;
    this.#refines = progressive && scan.approximationHigh > 0;
    this.#dc = dc && new HuffmanDecoder(dc);
    this.#ac = progressive || !ac ? undefined : new AcSkipper(ac);
  }

  restart(): void {
    this.#prediction = 0;
  }

  read(block: number): void {
    if (this.#refines) {
      this.#plane[block]! |= this.#reader.bits(1) << this.#low;
      return;
    }
    // checkScanScript has seen that the table is there.
    const bits = this.#reader.symbol(this.#dc!);
    if (bits > maxDifferenceBits) throw undecodable("its compressed data is broken (DC out of range)");
    this.#prediction += this.#reader.signed(bits);
    this.#plane[block] = this.#prediction << this.#low;
    if (this.#ac) this.#reader.skipAc(this.#ac);
  }
}

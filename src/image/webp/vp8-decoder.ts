/**
 * Decodes a VP8 key frame, a row of macroblocks at a time (RFC 6386). Memory holds two rows of macroblocks: the loop
 * filter of one row also changes the last samples of the row above, which are therefore final one row later.
 */
import type { Size } from "../rgb-image.ts";
import type { DecodeMemory } from "./decode-memory.ts";
import { readVp8Header, vp8HeaderBytes } from "./vp8-header.ts";
import {
  type FilterThresholds,
  filterNormalEdge,
  filterSimpleEdge,
  filterThresholds,
} from "./vp8-loop-filter.ts";
import { MacroblockReader, macroblockReaderBytes } from "./vp8-macroblocks.ts";
import { predictBlock, predictSubblock } from "./vp8-prediction.ts";
import { BlockMode } from "./vp8-tables.ts";
import { addDc, addInverseDct } from "./vp8-transforms.ts";
import { writeRgbRow } from "./yuv-to-rgb.ts";

/** Samples outside the image (section 12): above its first row, and to the left of its first column. */
const aboveImage = 127;
const leftOfImage = 129;

/** Luma samples above and to the right of a macroblock, from which its subblocks are predicted. */
const lumaPadding = 4;

/**
 * Last rows of pixels of a row of macroblocks that are not final before the next one is filtered. That changes 3 rows
 * of luma, and 3 rows of chroma, which interpolation spreads over 7 rows of pixels.
 */
const unfinishedRows = 7;

/** Two rows of macroblocks of one component. */
class SamplePlane {
  readonly samples: Uint8ClampedArray;
  readonly stride: number;
  /** Rows and columns of a macroblock: 16 or 8. */
  readonly #size: number;
  readonly #padding: number;

  /** @param padding samples after the end of a row */
  constructor(macroblocksPerRow: number, size: number, padding: number, memory: DecodeMemory) {
    this.#size = size;
    this.#padding = padding;
    this.stride = 1 + macroblocksPerRow * size + padding;
    this.samples = memory.allocate(Uint8ClampedArray, planeBytes(macroblocksPerRow, size, padding));
    this.samples.fill(leftOfImage);
    this.samples.fill(aboveImage, 0, this.stride);
  }

  /**
   * Returns the index of the first sample of a row. Two rows of macroblocks take turns. Each has one more row of
   * samples above it: the last one of the row of macroblocks above, for prediction, without the changes of the loop
   * filter. A sample to the left of the image precedes each row.
   */
  rowStart(row: number): number {
    const size = this.#size;
    const turn = Math.floor(row / size) % 2;
    return (turn * (size + 1) + 1 + (row % size)) * this.stride + 1;
  }

  /** Copies the last row of a row of macroblocks above the next one. */
  keepLastRow(macroblockRow: number): void {
    const next = (macroblockRow + 1) * this.#size;
    const last = this.rowStart(next - 1);
    const above = this.rowStart(next) - this.stride;
    const end = above + this.stride - 1 - this.#padding;
    this.samples[above - 1] = leftOfImage;
    this.samples.copyWithin(above, last, last + end - above);
    this.samples.fill(this.samples[end - 1]!, end, end + this.#padding);
  }
}

function planeBytes(macroblocksPerRow: number, size: number, padding: number): number {
  return (1 + macroblocksPerRow * size + padding) * 2 * (size + 1);
}

/** Bytes of all arrays that a Vp8Decoder allocates. */
export function vp8CostBytes({ width }: Size): number {
  const columns = Math.ceil(width / 16);
  const samples = planeBytes(columns, 16, lumaPadding) + 2 * planeBytes(columns, 8, 0);
  return vp8HeaderBytes + macroblockReaderBytes(columns) + samples + 2 * columns;
}

/** The rows of a key frame. */
export class Vp8Decoder {
  readonly width: number;
  readonly height: number;
  readonly #macroblocksPerRow: number;
  readonly #macroblockRows: number;
  readonly #macroblock: MacroblockReader;
  readonly #luma: SamplePlane;
  readonly #blue: SamplePlane;
  readonly #red: SamplePlane;
  readonly #hasSimpleFilter: boolean;
  /** By index in LoopFilter.levels. Undefined for level 0. */
  readonly #thresholds: readonly (FilterThresholds | undefined)[];
  /** Of each macroblock of the row: index in #thresholds, and whether its subblock edges are filtered, 0 or 1. */
  readonly #filterLevels: Uint8Array;
  readonly #filtersSubblocks: Uint8Array;
  #rowsRead = 0;

  /**
   * Reads the frame header.
   * @param data the whole frame
   * @throws ClassifierError image_undecodable; image_too_large (decode_bytes)
   */
  constructor(data: Uint8Array, memory: DecodeMemory) {
    const header = readVp8Header(data, memory);
    const columns = Math.ceil(header.width / 16);
    const { isSimple, sharpness, levels } = header.filter;
    this.width = header.width;
    this.height = header.height;
    this.#macroblocksPerRow = columns;
    this.#macroblockRows = Math.ceil(header.height / 16);
    this.#macroblock = new MacroblockReader(header, columns, memory);
    this.#luma = new SamplePlane(columns, 16, lumaPadding, memory);
    this.#blue = new SamplePlane(columns, 8, 0, memory);
    this.#red = new SamplePlane(columns, 8, 0, memory);
    this.#hasSimpleFilter = isSimple;
    this.#thresholds = Array.from(levels, (level) =>
      level > 0 ? filterThresholds(level, sharpness) : undefined,
    );
    this.#filterLevels = memory.allocate(Uint8Array, columns);
    this.#filtersSubblocks = memory.allocate(Uint8Array, columns);
  }

  /**
   * Writes row `y` as interleaved RGB, from index `at` on. Rows can be skipped, but must be read from the top down.
   * @throws ClassifierError image_undecodable
   */
  writeRow(y: number, out: Uint8ClampedArray, at: number): void {
    const needed = Math.floor((y + unfinishedRows) / 16) + 1;
    while (this.#rowsRead < Math.min(needed, this.#macroblockRows)) this.#decodeRow();
    const row = y >> 1;
    const lastRow = (this.height - 1) >> 1;
    const other = y % 2 === 0 ? Math.max(row - 1, 0) : Math.min(row + 1, lastRow);
    writeRgbRow(
      { samples: this.#luma.samples, at: this.#luma.rowStart(y) },
      {
        blue: this.#blue.samples,
        red: this.#red.samples,
        near: this.#blue.rowStart(row),
        far: this.#blue.rowStart(other),
      },
      this.width,
      out,
      at,
    );
  }

  /**
   * Reads the rest of the frame, so that broken or missing data is refused. No rows can be written afterwards.
   * @throws ClassifierError image_undecodable
   */
  finish(): void {
    for (; this.#rowsRead < this.#macroblockRows; this.#rowsRead++) {
      this.#macroblock.beginRow(this.#rowsRead);
      for (let x = 0; x < this.#macroblocksPerRow; x++) this.#macroblock.read(x);
    }
  }

  #decodeRow(): void {
    const macroblock = this.#macroblock;
    macroblock.beginRow(this.#rowsRead);
    for (let x = 0; x < this.#macroblocksPerRow; x++) {
      macroblock.coefficients.fill(0);
      macroblock.read(x);
      this.#reconstructLuma(x);
      this.#reconstructChroma(this.#blue, x, 16);
      this.#reconstructChroma(this.#red, x, 20);
      const { segment, lumaMode, hasCoefficients } = macroblock;
      const hasSubblocks = lumaMode === BlockMode.subblocks;
      this.#filterLevels[x] = 2 * segment + (hasSubblocks ? 1 : 0);
      this.#filtersSubblocks[x] = hasSubblocks || hasCoefficients ? 1 : 0;
    }
    for (const plane of [this.#luma, this.#blue, this.#red]) plane.keepLastRow(this.#rowsRead);
    for (let x = 0; x < this.#macroblocksPerRow; x++) this.#filterMacroblock(x);
    this.#rowsRead++;
  }

  #reconstructLuma(x: number): void {
    const { samples, stride } = this.#luma;
    const { lumaMode, subblockModes } = this.#macroblock;
    const at = this.#luma.rowStart(16 * this.#rowsRead) + 16 * x;
    if (lumaMode !== BlockMode.subblocks) {
      predictBlock(lumaMode, samples, at, stride, 16, this.#rowsRead > 0, x > 0);
      for (let i = 0; i < 16; i++) this.#addResidue(i, this.#luma, at + (i >> 2) * 4 * stride + (i & 3) * 4);
      return;
    }
    // The samples above and to the right of the last column are those of the row of macroblocks above, for all four
    // rows.
    const aboveRight = at - stride + 16;
    for (let i = 0; i < 16; i++) {
      const block = at + (i >> 2) * 4 * stride + (i & 3) * 4;
      const blockAboveRight = (i & 3) === 3 ? aboveRight : block - stride + 4;
      predictSubblock(subblockModes[i]!, samples, block, stride, blockAboveRight);
      this.#addResidue(i, this.#luma, block);
    }
  }

  /** @param first index of the component's first block */
  #reconstructChroma(plane: SamplePlane, x: number, first: number): void {
    const { samples, stride } = plane;
    const at = plane.rowStart(8 * this.#rowsRead) + 8 * x;
    predictBlock(this.#macroblock.chromaMode, samples, at, stride, 8, this.#rowsRead > 0, x > 0);
    for (let i = 0; i < 4; i++) this.#addResidue(first + i, plane, at + (i >> 1) * 4 * stride + (i & 1) * 4);
  }

  #addResidue(block: number, { samples, stride }: SamplePlane, at: number): void {
    const { coefficients, extents } = this.#macroblock;
    const extent = extents[block]!;
    if (extent > 1) addInverseDct(coefficients, 16 * block, samples, at, stride);
    else if (extent === 1) addDc(coefficients[16 * block]!, samples, at, stride);
  }

  /**
   * Filters the left edge of a macroblock, its inner vertical edges, the upper edge, the inner horizontal edges
   * (section 15.1).
   */
  #filterMacroblock(x: number): void {
    const thresholds = this.#thresholds[this.#filterLevels[x]!];
    if (!thresholds) return;
    const filtersSubblocks = this.#filtersSubblocks[x] === 1;
    if (this.#hasSimpleFilter) {
      this.#filterSimply(x, thresholds, filtersSubblocks);
      return;
    }
    this.#filterPlane(this.#luma, 16, x, thresholds, filtersSubblocks);
    this.#filterPlane(this.#blue, 8, x, thresholds, filtersSubblocks);
    this.#filterPlane(this.#red, 8, x, thresholds, filtersSubblocks);
  }

  #filterPlane(
    plane: SamplePlane,
    size: number,
    x: number,
    thresholds: FilterThresholds,
    filtersSubblocks: boolean,
  ): void {
    const { samples, stride } = plane;
    const row = size * this.#rowsRead;
    const at = plane.rowStart(row) + size * x;
    if (x > 0) filterNormalEdge(samples, at - 1, at, 1, stride, size, thresholds, false);
    for (let i = at + 4; i < at + size && filtersSubblocks; i += 4) {
      filterNormalEdge(samples, i - 1, i, 1, stride, size, thresholds, true);
    }
    if (row > 0) {
      const above = plane.rowStart(row - 1) + size * x;
      filterNormalEdge(samples, above, at, stride, 1, size, thresholds, false);
    }
    for (let i = at + 4 * stride; i < at + size * stride && filtersSubblocks; i += 4 * stride) {
      filterNormalEdge(samples, i - stride, i, stride, 1, size, thresholds, true);
    }
  }

  /** The simple filter leaves chroma unfiltered (section 15.2). */
  #filterSimply(
    x: number,
    { macroblockEdge, subblockEdge }: FilterThresholds,
    filtersSubblocks: boolean,
  ): void {
    const { samples, stride } = this.#luma;
    const row = 16 * this.#rowsRead;
    const at = this.#luma.rowStart(row) + 16 * x;
    if (x > 0) filterSimpleEdge(samples, at - 1, at, 1, stride, 16, macroblockEdge);
    for (let i = at + 4; i < at + 16 && filtersSubblocks; i += 4) {
      filterSimpleEdge(samples, i - 1, i, 1, stride, 16, subblockEdge);
    }
    if (row > 0) {
      const above = this.#luma.rowStart(row - 1) + 16 * x;
      filterSimpleEdge(samples, above, at, stride, 1, 16, macroblockEdge);
    }
    for (let i = at + 4 * stride; i < at + 16 * stride && filtersSubblocks; i += 4 * stride) {
      filterSimpleEdge(samples, i - stride, i, stride, 1, 16, subblockEdge);
    }
  }
}

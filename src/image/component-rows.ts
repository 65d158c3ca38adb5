/** The part of a component that a decode holds in memory: coefficients of one row of MCUs, samples of two. */
import { freeBytes } from "../bytes/free-bytes.ts";
import { inverseDct } from "./inverse-dct.ts";
import type { ScaledComponent } from "./scaled-frame.ts";

const quantiserBytes = 4 * 64;

/** Bytes of the arrays of a ComponentRows. */
export function componentRowsBytes(component: ScaledComponent): number {
  const { v, paddedPerLine, coefficientsPerBlock, blocksPerLine, blockSize } = component;
  const blocks = v * paddedPerLine;
  const samples = 2 * v * blockSize * blocksPerLine * blockSize;
  return blocks * (2 * coefficientsPerBlock + 1) + samples + quantiserBytes;
}

/** A component during a decode. */
export class ComponentRows {
  readonly shape: ScaledComponent;
  /** Quantised coefficients of the current row of MCUs, block by block, each row by row. */
  readonly coefficients: Int16Array;
  /** For each of these blocks: the zigzag index of its last coefficient that can differ from zero. */
  readonly extents: Uint8Array;
  /** Samples of the last two rows of MCUs. Row `s` of the component begins at sampleRow(s). */
  readonly samples: Uint8ClampedArray;
  readonly #quantiser: Int32Array;
  readonly #stride: number;
  readonly #ringRows: number;

  /** @param quantiser 64 factors, row by row */
  constructor(shape: ScaledComponent, quantiser: Int32Array) {
    const blocks = shape.v * shape.paddedPerLine;
    this.shape = shape;
    this.coefficients = new Int16Array(blocks * shape.coefficientsPerBlock);
    this.extents = new Uint8Array(blocks);
    this.#quantiser = quantiser;
    this.#stride = shape.blocksPerLine * shape.blockSize;
    this.#ringRows = 2 * shape.v * shape.blockSize;
    this.samples = new Uint8ClampedArray(this.#ringRows * this.#stride);
  }

  /** Returns the index in `samples` at which a row begins. The row must be one of those that are held. */
  sampleRow(row: number): number {
    return (row % this.#ringRows) * this.#stride;
  }

  /** Sets all coefficients to zero, for the next row of MCUs. */
  clear(): void {
    this.coefficients.fill(0);
    this.extents.fill(0);
  }

  /** Computes the samples of a row of MCUs from its coefficients. They replace those of two rows before. */
  transform(mcuRow: number): void {
    const { v, blockSize, blocksPerLine, blocksPerColumn, paddedPerLine, coefficientsPerBlock } = this.shape;
    const { coefficients, extents, samples } = this;
    const firstRow = mcuRow * v;
    const rows = Math.min(v, blocksPerColumn - firstRow);
    for (let y = 0; y < rows; y++) {
      let at = this.sampleRow((firstRow + y) * blockSize);
      for (let x = 0; x < blocksPerLine; x++, at += blockSize) {
        const block = y * paddedPerLine + x;
        const from = block * coefficientsPerBlock;
        inverseDct(
          blockSize,
          coefficients,
          from,
          this.#quantiser,
          extents[block]!,
          samples,
          at,
          this.#stride,
        );
      }
    }
  }

  /** Frees the arrays. The component cannot be used afterwards. */
  free(): void {
    freeBytes(this.coefficients);
    freeBytes(this.extents);
    freeBytes(this.samples);
    freeBytes(this.#quantiser);
  }
}

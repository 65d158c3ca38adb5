/**
 * Bilinear resampling as in Pillow, equal bit for bit: a triangle filter as wide as the scale requires, weights in fixed
 * point, a horizontal and then a vertical pass, each rounded to 8 bits.
 */
import type { RowSink } from "./rgb-image.ts";

/** Fraction bits of a weight. 8-bit pixels times weights that sum to 1, and the sign, fit into 32 bits. */
const fractionBits = 22;
const half = 1 << (fractionBits - 1);

/**
 * One axis: `extent` pixels of the source are resized to `resizedLength`, of which [from, from + length) is returned. If the
 * extent is not a whole number, it ends within the last of the `sourceLength` pixels, as in an image decoded at 1/8.
 */
export interface Axis {
  readonly sourceLength: number;
  readonly extent: number;
  readonly resizedLength: number;
  readonly from: number;
  readonly length: number;
}

/** Output pixel i is a sum of `counts[i]` source pixels from `firsts[i]` on, with the weights from i * taps on. */
interface AxisWeights {
  readonly taps: number;
  readonly firsts: Int32Array;
  readonly counts: Int32Array;
  readonly weights: Int32Array;
}

/** Receives one row: y in the output, and its pixels, RGB interleaved. The array is reused for the next row. */
export type RowWriter = (y: number, row: Uint8ClampedArray) => void;

/**
 * Resamples the window while the rows of the source arrive, and passes it on row by row, from the top. Holds only the source
 * rows of one output row.
 */
export class Resampler implements RowSink {
  readonly firstRow: number;
  readonly endRow: number;
  readonly #columns: AxisWeights;
  readonly #rows: AxisWeights;
  /** The vertical filter only moves down, so a ring of its maximum height holds every source row that is still needed. */
  readonly #ring: Uint8Array;
  readonly #sums: Int32Array;
  readonly #output: Uint8ClampedArray;
  readonly #writeRow: RowWriter;
  /** The source row that is pushed next. */
  #sourceRow: number;
  /** The output row that is written next. */
  #y = 0;

  constructor(horizontal: Axis, vertical: Axis, writeRow: RowWriter) {
    const rowBytes = horizontal.length * 3;
    this.#columns = axisWeights(horizontal);
    this.#rows = axisWeights(vertical);
    this.#ring = new Uint8Array(this.#rows.taps * rowBytes);
    this.#sums = new Int32Array(rowBytes);
    this.#output = new Uint8ClampedArray(rowBytes);
    this.#writeRow = writeRow;
    const { firsts, counts } = this.#rows;
    this.firstRow = firsts[0]!;
    this.endRow = firsts.at(-1)! + counts.at(-1)!;
    this.#sourceRow = this.firstRow;
  }

  push(row: Uint8Array | Uint8ClampedArray): void {
    const { taps, firsts, counts } = this.#rows;
    resampleRow(row, this.#columns, this.#ring, (this.#sourceRow % taps) * this.#output.length);
    this.#sourceRow++;
    while (this.#y < firsts.length && firsts[this.#y]! + counts[this.#y]! <= this.#sourceRow) this.#write();
  }

  /** Writes the next output row, whose source rows are all in the ring. */
  #write(): void {
    const { taps, firsts, counts, weights } = this.#rows;
    const [y, sums, output] = [this.#y++, this.#sums, this.#output];
    sums.fill(half);
    for (let tap = 0; tap < counts[y]!; tap++) {
      const start = ((firsts[y]! + tap) % taps) * output.length;
      addWeighted(sums, this.#ring, start, weights[y * taps + tap]!);
    }
    for (let i = 0; i < output.length; i++) output[i] = sums[i]! >> fractionBits;
    this.#writeRow(y, output);
  }
}

/** Bytes of all arrays that a Resampler allocates, known before it exists. They grow with the sides of the source. */
export function resamplerBytes(horizontal: Axis, vertical: Axis): number {
  const axisBytes = (axis: Axis) => (4 * tapsOf(axis) + 8) * axis.length + 8 * tapsOf(axis);
  const rowBytes = horizontal.length * 3;
  return axisBytes(horizontal) + axisBytes(vertical) + (tapsOf(vertical) + 4 + 1) * rowBytes;
}

function addWeighted(sums: Int32Array, source: Uint8Array, start: number, weight: number): void {
  for (let i = 0; i < sums.length; i++) sums[i] = sums[i]! + source[start + i]! * weight;
}

function resampleRow(
  row: Uint8Array | Uint8ClampedArray,
  columns: AxisWeights,
  output: Uint8Array,
  outputStart: number,
): void {
  const { taps, firsts, counts, weights } = columns;
  for (let x = 0; x < firsts.length; x++) {
    let red = half;
    let green = half;
    let blue = half;
    let at = firsts[x]! * 3;
    const last = x * taps + counts[x]!;
    for (let tap = x * taps; tap < last; tap++, at += 3) {
      const weight = weights[tap]!;
      red += row[at]! * weight;
      green += row[at + 1]! * weight;
      blue += row[at + 2]! * weight;
    }
    // Weights are not negative and sum to 1 within rounding, so every sum stays within 0..255.
    output[outputStart + x * 3] = red >> fractionBits;
    output[outputStart + x * 3 + 1] = green >> fractionBits;
    output[outputStart + x * 3 + 2] = blue >> fractionBits;
  }
}

/** Half the width of the filter. Enlarging keeps its natural width of one pixel; reducing widens it against aliasing. */
const supportOf = ({ extent, resizedLength }: Axis) => Math.max(extent / resizedLength, 1);

/** The most source pixels that an output pixel is a sum of. */
const tapsOf = (axis: Axis) => Math.ceil(supportOf(axis)) * 2 + 1;

function axisWeights(axis: Axis): AxisWeights {
  const scale = axis.extent / axis.resizedLength;
  const support = supportOf(axis);
  const taps = tapsOf(axis);
  const firsts = new Int32Array(axis.length);
  const counts = new Int32Array(axis.length);
  const weights = new Int32Array(axis.length * taps);
  const exact = new Float64Array(taps);
  for (let i = 0; i < axis.length; i++) {
    const centre = (axis.from + i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const end = Math.min(axis.sourceLength, Math.trunc(centre + support + 0.5));
    let total = 0;
    for (let tap = 0; tap < end - first; tap++) {
      const distance = Math.abs((first + tap - centre + 0.5) * (1 / support));
      exact[tap] = Math.max(0, 1 - distance);
      total += exact[tap]!;
    }
    for (let tap = 0; tap < end - first; tap++) {
      weights[i * taps + tap] = Math.trunc(0.5 + (exact[tap]! / total) * (1 << fractionBits));
    }
    firsts[i] = first;
    counts[i] = end - first;
  }
  return { taps, firsts, counts, weights };
}

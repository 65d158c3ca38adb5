/**
 * Bilinear resampling as in Pillow, equal bit for bit: a triangle filter as wide as the scale requires, weights in fixed
 * point, a horizontal and then a vertical pass, each rounded to 8 bits.
 */
import type { RgbRows } from "./rgb-image.ts";

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
 * Resamples the window and passes it on row by row, from the top. Reads only the source rows that the window needs, and
 * holds only those of one output row.
 */
export function resample(image: RgbRows, horizontal: Axis, vertical: Axis, writeRow: RowWriter): void {
  const columns = axisWeights(horizontal);
  const rows = axisWeights(vertical);
  const rowBytes = horizontal.length * 3;
  // The vertical filter only moves down, so a ring of its maximum height holds every row that is still needed.
  const ring = new Uint8Array(rows.taps * rowBytes);
  const sums = new Int32Array(rowBytes);
  const output = new Uint8ClampedArray(rowBytes);
  let nextSourceRow = 0;
  for (let y = 0; y < vertical.length; y++) {
    const first = rows.firsts[y]!;
    const count = rows.counts[y]!;
    nextSourceRow = Math.max(nextSourceRow, first);
    for (; nextSourceRow < first + count; nextSourceRow++) {
      resampleRow(image.row(nextSourceRow), columns, ring, (nextSourceRow % rows.taps) * rowBytes);
    }
    sums.fill(half);
    for (let tap = 0; tap < count; tap++) {
      addWeighted(sums, ring, ((first + tap) % rows.taps) * rowBytes, rows.weights[y * rows.taps + tap]!);
    }
    for (let i = 0; i < rowBytes; i++) output[i] = sums[i]! >> fractionBits;
    writeRow(y, output);
  }
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

function axisWeights(axis: Axis): AxisWeights {
  const scale = axis.extent / axis.resizedLength;
  // Enlarging keeps the filter's natural width of one pixel on each side. Reducing widens it against aliasing.
  const support = Math.max(scale, 1);
  const taps = Math.ceil(support) * 2 + 1;
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

/**
 * Inverse DCT of one block to 8x8, 4x4, 2x2 or 1x1 samples.
 * - 8x8 equals libjpeg's accurate integer method (JDCT_ISLOW) bit for bit: the factorisation of Loeffler, Ligtenberg and
 *   Moschytz (1989) in fixed point with 13 fraction bits, of which the first pass keeps 2.
 * - The smaller sizes transform only the lowest frequencies, in the same fixed point, as libjpeg 7 and later do.
 */
import type { Eighths } from "../rgb-image.ts";

const fractionBits = 13;
const passBits = 2;
const columnShift = fractionBits - passBits;
const columnHalf = 1 << (columnShift - 1);
/** The DCT's own factor of 8 adds 3 bits. */
const rowShift = fractionBits + passBits + 3;
const rowHalf = 1 << (rowShift - 1);
/** Samples are stored with 128 subtracted (T.81 A.3.1). */
const levelShift = 128;

// Multiples of cosines, named after their values as in the factorisation, times 2^13.
const c0298 = 2446;
const c0390 = 3196;
const c0541 = 4433;
const c0765 = 6270;
const c0899 = 7373;
const c1175 = 9633;
const c1501 = 12299;
const c1847 = 15137;
const c1961 = 16069;
const c2053 = 16819;
const c2562 = 20995;
const c3072 = 25172;

/** Number of columns that can differ from zero, by the zigzag index of the block's last coefficient. */
const columnsByExtent = Uint8Array.from({ length: 64 }, (_, extent) => columnsOf(extent));

function columnsOf(extent: number): number {
  // Diagonal d of the zigzag order begins at d * (d + 1) / 2 in the upper left half.
  let diagonal = 0;
  while (diagonal < 7 && ((diagonal + 1) * (diagonal + 2)) / 2 <= extent) diagonal++;
  return diagonal + 1;
}

/** Column results of the current block. Decoding is synchronous, so all decodes share this array. */
const workspace = new Int32Array(64);

/**
 * Writes the samples of one block.
 * @param coefficients quantised, row by row, from index `from`; if `size` is 1, only the first one is read
 * @param quantiser 64 factors, row by row
 * @param extent zigzag index of the last coefficient that can differ from zero
 * @param out receives the samples, clamped to 0..255: `size` rows, `stride` apart, the first one at `at`
 */
export function inverseDct(
  size: Eighths,
  coefficients: Int16Array,
  from: number,
  quantiser: Int32Array,
  extent: number,
  out: Uint8ClampedArray,
  at: number,
  stride: number,
): void {
  if (extent === 0 || size === 1) {
    const level = ((Math.imul(coefficients[from]!, quantiser[0]!) + 4) >> 3) + levelShift;
    for (let row = 0; row < size; row++) {
      const start = at + row * stride;
      for (let i = start; i < start + size; i++) out[i] = level;
    }
    return;
  }
  if (size === 8) {
    columns8(coefficients, from, quantiser, columnsByExtent[extent]!);
    rows8(out, at, stride);
  } else if (size === 4) inverseDct4(coefficients, from, quantiser, out, at, stride);
  else inverseDct2(coefficients, from, quantiser, out, at, stride);
}

function columns8(coefficients: Int16Array, from: number, quantiser: Int32Array, columns: number): void {
  for (let x = 0; x < columns; x++) {
    const i = from + x;
    const f1 = coefficients[i + 8]!;
    const f2 = coefficients[i + 16]!;
    const f3 = coefficients[i + 24]!;
    const f4 = coefficients[i + 32]!;
    const f5 = coefficients[i + 40]!;
    const f6 = coefficients[i + 48]!;
    const f7 = coefficients[i + 56]!;
    const d0 = Math.imul(coefficients[i]!, quantiser[x]!);
    if ((f1 | f2 | f3 | f4 | f5 | f6 | f7) === 0) {
      const flat = d0 << passBits;
      workspace[x] = flat;
      workspace[x + 8] = flat;
      workspace[x + 16] = flat;
      workspace[x + 24] = flat;
      workspace[x + 32] = flat;
      workspace[x + 40] = flat;
      workspace[x + 48] = flat;
      workspace[x + 56] = flat;
      continue;
    }
    const d2 = Math.imul(f2, quantiser[x + 16]!);
    const d4 = Math.imul(f4, quantiser[x + 32]!);
    const d6 = Math.imul(f6, quantiser[x + 48]!);
    const e = Math.imul(d2 + d6, c0541);
    const e2 = e - Math.imul(d6, c1847);
    const e3 = e + Math.imul(d2, c0765);
    const e0 = (d0 + d4) << fractionBits;
    const e1 = (d0 - d4) << fractionBits;
    const s0 = (e0 + e3 + columnHalf) | 0;
    const s3 = (e0 - e3 + columnHalf) | 0;
    const s1 = (e1 + e2 + columnHalf) | 0;
    const s2 = (e1 - e2 + columnHalf) | 0;

    const d7 = Math.imul(f7, quantiser[x + 56]!);
    const d5 = Math.imul(f5, quantiser[x + 40]!);
    const d3 = Math.imul(f3, quantiser[x + 24]!);
    const d1 = Math.imul(f1, quantiser[x + 8]!);
    const z5 = Math.imul(d7 + d3 + d5 + d1, c1175);
    const z1 = Math.imul(d7 + d1, c0899);
    const z2 = Math.imul(d5 + d3, c2562);
    const z3 = (z5 - Math.imul(d7 + d3, c1961)) | 0;
    const z4 = (z5 - Math.imul(d5 + d1, c0390)) | 0;
    const o0 = (Math.imul(d7, c0298) - z1 + z3) | 0;
    const o1 = (Math.imul(d5, c2053) - z2 + z4) | 0;
    const o2 = (Math.imul(d3, c3072) - z2 + z3) | 0;
    const o3 = (Math.imul(d1, c1501) - z1 + z4) | 0;

    workspace[x] = (s0 + o3) >> columnShift;
    workspace[x + 56] = (s0 - o3) >> columnShift;
    workspace[x + 8] = (s1 + o2) >> columnShift;
    workspace[x + 48] = (s1 - o2) >> columnShift;
    workspace[x + 16] = (s2 + o1) >> columnShift;
    workspace[x + 40] = (s2 - o1) >> columnShift;
    workspace[x + 24] = (s3 + o0) >> columnShift;
    workspace[x + 32] = (s3 - o0) >> columnShift;
  }
  for (let x = columns; x < 8; x++) {
    for (let i = x; i < 64; i += 8) workspace[i] = 0;
  }
}

function rows8(out: Uint8ClampedArray, at: number, stride: number): void {
  for (let i = 0; i < 64; i += 8, at += stride) {
    const d0 = workspace[i]!;
    const d1 = workspace[i + 1]!;
    const d2 = workspace[i + 2]!;
    const d3 = workspace[i + 3]!;
    const d4 = workspace[i + 4]!;
    const d5 = workspace[i + 5]!;
    const d6 = workspace[i + 6]!;
    const d7 = workspace[i + 7]!;
    const e = Math.imul(d2 + d6, c0541);
    const e2 = e - Math.imul(d6, c1847);
    const e3 = e + Math.imul(d2, c0765);
    const e0 = (d0 + d4) << fractionBits;
    const e1 = (d0 - d4) << fractionBits;
    const s0 = (e0 + e3 + rowHalf) | 0;
    const s3 = (e0 - e3 + rowHalf) | 0;
    const s1 = (e1 + e2 + rowHalf) | 0;
    const s2 = (e1 - e2 + rowHalf) | 0;

    const z5 = Math.imul(d7 + d3 + d5 + d1, c1175);
    const z1 = Math.imul(d7 + d1, c0899);
    const z2 = Math.imul(d5 + d3, c2562);
    const z3 = (z5 - Math.imul(d7 + d3, c1961)) | 0;
    const z4 = (z5 - Math.imul(d5 + d1, c0390)) | 0;
    const o0 = (Math.imul(d7, c0298) - z1 + z3) | 0;
    const o1 = (Math.imul(d5, c2053) - z2 + z4) | 0;
    const o2 = (Math.imul(d3, c3072) - z2 + z3) | 0;
    const o3 = (Math.imul(d1, c1501) - z1 + z4) | 0;

    out[at] = ((s0 + o3) >> rowShift) + levelShift;
    out[at + 7] = ((s0 - o3) >> rowShift) + levelShift;
    out[at + 1] = ((s1 + o2) >> rowShift) + levelShift;
    out[at + 6] = ((s1 - o2) >> rowShift) + levelShift;
    out[at + 2] = ((s2 + o1) >> rowShift) + levelShift;
    out[at + 5] = ((s2 - o1) >> rowShift) + levelShift;
    out[at + 3] = ((s3 + o0) >> rowShift) + levelShift;
    out[at + 4] = ((s3 - o0) >> rowShift) + levelShift;
  }
}

function inverseDct4(
  coefficients: Int16Array,
  from: number,
  quantiser: Int32Array,
  out: Uint8ClampedArray,
  at: number,
  stride: number,
): void {
  for (let x = 0; x < 4; x++) {
    const d0 = Math.imul(coefficients[from + x]!, quantiser[x]!);
    const d1 = Math.imul(coefficients[from + x + 8]!, quantiser[x + 8]!);
    const d2 = Math.imul(coefficients[from + x + 16]!, quantiser[x + 16]!);
    const d3 = Math.imul(coefficients[from + x + 24]!, quantiser[x + 24]!);
    const e0 = (d0 + d2) << passBits;
    const e1 = (d0 - d2) << passBits;
    const z = (Math.imul(d1 + d3, c0541) + columnHalf) | 0;
    const o0 = (z + Math.imul(d1, c0765)) >> columnShift;
    const o1 = (z - Math.imul(d3, c1847)) >> columnShift;
    workspace[x] = e0 + o0;
    workspace[x + 12] = e0 - o0;
    workspace[x + 4] = e1 + o1;
    workspace[x + 8] = e1 - o1;
  }
  for (let i = 0; i < 16; i += 4, at += stride) {
    const d1 = workspace[i + 1]!;
    const d3 = workspace[i + 3]!;
    const e0 = (((workspace[i]! + workspace[i + 2]!) << fractionBits) + rowHalf) | 0;
    const e1 = (((workspace[i]! - workspace[i + 2]!) << fractionBits) + rowHalf) | 0;
    const z = Math.imul(d1 + d3, c0541);
    const o0 = (z + Math.imul(d1, c0765)) | 0;
    const o1 = (z - Math.imul(d3, c1847)) | 0;
    out[at] = ((e0 + o0) >> rowShift) + levelShift;
    out[at + 3] = ((e0 - o0) >> rowShift) + levelShift;
    out[at + 1] = ((e1 + o1) >> rowShift) + levelShift;
    out[at + 2] = ((e1 - o1) >> rowShift) + levelShift;
  }
}

function inverseDct2(
  coefficients: Int16Array,
  from: number,
  quantiser: Int32Array,
  out: Uint8ClampedArray,
  at: number,
  stride: number,
): void {
  const mean = Math.imul(coefficients[from]!, quantiser[0]!) + 4;
  const across = Math.imul(coefficients[from + 1]!, quantiser[1]!);
  const down = Math.imul(coefficients[from + 8]!, quantiser[8]!);
  const both = Math.imul(coefficients[from + 9]!, quantiser[9]!);
  out[at] = ((mean + across + down + both) >> 3) + levelShift;
  out[at + 1] = ((mean - across + down - both) >> 3) + levelShift;
  out[at + stride] = ((mean + across - down - both) >> 3) + levelShift;
  out[at + stride + 1] = ((mean - across - down + both) >> 3) + levelShift;
}

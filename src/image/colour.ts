/** From a JPEG's components to RGB, as libjpeg tells and computes them. Pure. */
import type { JpegHeader } from "./jpeg-header.ts";

/**
 * Whether the components are YCbCr (or YCCK), as libjpeg tells. Three: JFIF says YCbCr, then the Adobe segment decides,
 * then the component ids. Four: the Adobe segment decides, and without one they are CMYK.
 */
export function hasColourTransform({ components, hasJfif, adobeTransform }: JpegHeader): boolean {
  if (components.length === 4) return (adobeTransform ?? 0) !== 0;
  if (hasJfif) return true;
  if (adobeTransform !== undefined) return adobeTransform !== 0;
  return components.map((c) => String.fromCharCode(c.id)).join("") !== "RGB";
}

/** Grey samples as RGB, three times as long. */
export function greyToRgb(grey: Uint8Array): Uint8Array {
  const rgb = new Uint8Array(grey.length * 3);
  for (let i = 0, at = 0; i < grey.length; i++) {
    const level = grey[i]!;
    rgb[at++] = level;
    rgb[at++] = level;
    rgb[at++] = level;
  }
  return rgb;
}

/**
 * CMYK, 255 being full ink, becomes RGB without a colour profile, as in Pillow: the first three quarters of the same
 * array, which is overwritten.
 */
export function inkToRgb(cmyk: Uint8Array): Uint8Array {
  const pixels = cmyk.length / 4;
  for (let i = 0, from = 0, to = 0; i < pixels; i++, from += 4) {
    const white = 255 - cmyk[from + 3]!;
    cmyk[to++] = (255 - cmyk[from]!) * white * (1 / 255) + 0.5;
    cmyk[to++] = (255 - cmyk[from + 1]!) * white * (1 / 255) + 0.5;
    cmyk[to++] = (255 - cmyk[from + 2]!) * white * (1 / 255) + 0.5;
  }
  return cmyk.subarray(0, pixels * 3);
}

/** Writes one row of RGB, interleaved, from one row of each component (T.871 clause 7 for YCbCr). */
export function rowToRgb(
  rows: readonly Uint8Array[],
  colourTransform: boolean,
  out: Uint8ClampedArray,
  at: number,
): void {
  const [first, second, third, black] = rows as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  if (rows.length === 1) greyRow(first, out, at);
  else if (colourTransform) ycbcrRow(first, second, third, out, at);
  else plainRow(first, second, third, out, at);
  if (rows.length === 4) inkRow(black, colourTransform, out, at);
}

function greyRow(grey: Uint8Array, out: Uint8ClampedArray, start: number): void {
  for (let x = 0, at = start; x < grey.length; x++, at += 3) out.fill(grey[x]!, at, at + 3);
}

function plainRow(
  red: Uint8Array,
  green: Uint8Array,
  blue: Uint8Array,
  out: Uint8ClampedArray,
  start: number,
): void {
  for (let x = 0, at = start; x < red.length; x++) {
    out[at++] = red[x]!;
    out[at++] = green[x]!;
    out[at++] = blue[x]!;
  }
}

function ycbcrRow(
  luma: Uint8Array,
  blueness: Uint8Array,
  redness: Uint8Array,
  out: Uint8ClampedArray,
  start: number,
): void {
  for (let x = 0, at = start; x < luma.length; x++) {
    const y = luma[x]!;
    const cb = blueness[x]! - 128;
    const cr = redness[x]! - 128;
    out[at++] = y + 1.402 * cr;
    out[at++] = y - 0.344136 * cb - 0.714136 * cr;
    out[at++] = y + 1.772 * cb;
  }
}

/**
 * Adobe stores inks inverted, 255 being none, so that a stored triple times the stored black is RGB. A triple that went
 * through YCbCr is the complement of the stored one.
 */
function inkRow(black: Uint8Array, complement: boolean, out: Uint8ClampedArray, start: number): void {
  for (let x = 0, at = start; x < black.length; x++) {
    const white = black[x]! / 255;
    for (const end = at + 3; at < end; at++) out[at] = (complement ? 255 - out[at]! : out[at]!) * white;
  }
}

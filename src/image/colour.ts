/** From a JPEG's components to RGB, as in libjpeg. */
import type { JpegHeader } from "./jpeg-header.ts";

/**
 * Whether the components are YCbCr or YCCK. Three components: YCbCr with JFIF; otherwise the Adobe segment decides, and
 * without one the component ids. Four components: the Adobe segment decides; without one they are CMYK.
 */
export function hasColourTransform({ components, hasJfif, adobeTransform }: JpegHeader): boolean {
  if (components.length === 4) return (adobeTransform ?? 0) !== 0;
  if (hasJfif) return true;
  if (adobeTransform !== undefined) return adobeTransform !== 0;
  return components.map((c) => String.fromCharCode(c.id)).join("") !== "RGB";
}

/** One row of a component: one sample per pixel, from index `at` of `samples`. */
export interface SampleRow {
  readonly samples: Uint8ClampedArray;
  readonly at: number;
}

/** Fills `out` with one row of RGB, interleaved, from one row of each component. */
export function rowToRgb(rows: readonly SampleRow[], colourTransform: boolean, out: Uint8ClampedArray): void {
  const [first, second, third, black] = rows as [SampleRow, SampleRow, SampleRow, SampleRow];
  if (rows.length === 1) greyRow(first, out);
  else if (colourTransform) ycbcrRow(first, second, third, out);
  else plainRow(first, second, third, out);
  if (rows.length === 4) inkRow(black, colourTransform, out);
}

function greyRow({ samples, at }: SampleRow, out: Uint8ClampedArray): void {
  let from = at;
  for (let to = 0; to < out.length; to += 3, from++) {
    const level = samples[from]!;
    out[to] = level;
    out[to + 1] = level;
    out[to + 2] = level;
  }
}

function plainRow(red: SampleRow, green: SampleRow, blue: SampleRow, out: Uint8ClampedArray): void {
  for (let x = 0, to = 0; to < out.length; x++, to += 3) {
    out[to] = red.samples[red.at + x]!;
    out[to + 1] = green.samples[green.at + x]!;
    out[to + 2] = blue.samples[blue.at + x]!;
  }
}

// The factors of T.871 clause 7 times 2^16, rounded as in libjpeg.
const redOfCr = 91881;
const greenOfCb = 22554;
const greenOfCr = 46802;
const blueOfCb = 116130;
const half = 1 << 15;

function ycbcrRow(luma: SampleRow, blueness: SampleRow, redness: SampleRow, out: Uint8ClampedArray): void {
  const ySamples = luma.samples;
  const cbSamples = blueness.samples;
  const crSamples = redness.samples;
  const yAt = luma.at;
  const cbAt = blueness.at;
  const crAt = redness.at;
  for (let x = 0, to = 0; to < out.length; x++, to += 3) {
    const y = ySamples[yAt + x]!;
    const cb = cbSamples[cbAt + x]! - 128;
    const cr = crSamples[crAt + x]! - 128;
    out[to] = y + ((Math.imul(redOfCr, cr) + half) >> 16);
    out[to + 1] = y + ((half - Math.imul(greenOfCb, cb) - Math.imul(greenOfCr, cr)) >> 16);
    out[to + 2] = y + ((Math.imul(blueOfCb, cb) + half) >> 16);
  }
}

/**
 * Adobe stores inverted inks, 255 for none, so a stored triple times the stored black is RGB. Like Pillow, this ignores
 * colour profiles. A triple converted from YCbCr is the complement of the stored one.
 */
function inkRow({ samples, at }: SampleRow, complement: boolean, out: Uint8ClampedArray): void {
  for (let x = 0, to = 0; to < out.length; x++) {
    const white = samples[at + x]! / 255;
    for (const end = to + 3; to < end; to++) out[to] = (complement ? 255 - out[to]! : out[to]!) * white;
  }
}

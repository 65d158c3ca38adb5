/**
 * Decodes a JPEG at 8/8, 4/8, 2/8 or 1/8 of its size, row by row, at the scale that suits the target and fits the memory. It
 * holds only a few rows of samples, for sequential and progressive files alike, and never the whole image: see
 * decodeCostBytes. At 8/8 the pixels equal those of libjpeg-turbo with its default settings, bit for bit.
 */

import { freeBytes } from "../../bytes/byte-arrays.ts";
import { imageTooLarge } from "../../errors.ts";
import { exifOrientation } from "../orientation.ts";
import {
  checkLimit,
  type Decoded,
  type DecodedFrame,
  type DecodeLimits,
  type DecodeScale,
  type Eighths,
  pushRows,
  type RgbRows,
  type RowSink,
  type Size,
} from "../rgb-image.ts";
import {
  blendsRows,
  ComponentRows,
  componentRowsBytes,
  scaledComponents,
  scaledSize,
  Upsampler,
  upsamplerBytes,
} from "./component.ts";
import { zigzag } from "./entropy-reader.ts";
import { type JpegHeader, parseJpegHeader, readUint16 } from "./header.ts";
import { HuffmanDecoders, huffmanBytes, neededScans, ScanReader } from "./scan-reader.ts";
import { type CheckedJpeg, checkJpeg, type QuantisationTable } from "./scans.ts";

/**
 * Decodes a whole JPEG: baseline, extended or progressive, 8 bit, Huffman-coded; grey, YCbCr, RGB, CMYK or YCCK. Ignores
 * segments that do not belong to the image, except Exif's orientation, and everything after the EOI marker. A file without
 * that marker is refused. An image that is too large is refused before anything is allocated.
 * @param targetOf returns the size to which an image of this size will be resized: no more pixels than that are needed
 * @param sinkFor returns what takes the rows, in the orientation of the file
 * @throws ClassifierError unsupported_image, image_undecodable, image_too_large (pixels, decode_bytes, block_visits); what
 *   `sinkFor` throws
 */
export function decodeJpeg<Sink extends RowSink>(
  bytes: Uint8Array,
  targetOf: (fullSize: Size) => Size,
  limits: DecodeLimits,
  sinkFor: (frame: DecodedFrame) => Sink,
): Decoded<Sink> {
  const { jpeg, frame } = planJpeg(bytes, targetOf, limits);
  const sink = sinkFor(frame);
  const rows = new JpegRows(jpeg, frame.eighths);
  try {
    pushRows(rows, sink);
    rows.finish();
    return { frame, sink };
  } finally {
    rows.free();
  }
}

/**
 * Checks the file, and decides how to decode it. Allocates nothing large.
 * @throws ClassifierError as decodeJpeg does
 */
export function planJpeg(
  bytes: Uint8Array,
  targetOf: (fullSize: Size) => Size,
  limits: DecodeLimits,
): { readonly jpeg: CheckedJpeg; readonly frame: DecodedFrame } {
  const header = parseJpegHeader(bytes);
  const fullSize: Size = { width: header.width, height: header.height };
  checkLimit("pixels", header.width * header.height, limits.maxPixels);
  const jpeg = checkJpeg(bytes, header);
  const scale = chooseScale(jpeg, targetOf(fullSize), limits.maxDecodeBytes);
  const size = scaledSize(header, scale.eighths);
  const orientation = exifOrientation(header.exif);
  return { jpeg, frame: { decoder: "jpeg", ...scale, fullSize, size, orientation } };
}

/**
 * Largest image, in pixels, that is decoded at full size, so that ordinary web photographs have exactly libjpeg's pixels.
 * This bounds CPU, about 25 ns per pixel or 33 ms at the limit; the memory does not depend on it.
 */
export const maxFullScalePixels = 1_310_720;

type Scale = Pick<DecodeScale, "eighths" | "costBytes">;

/**
 * Chooses full size up to maxFullScalePixels. Above it, chooses the lowest scale at which neither side is smaller than the
 * target. If that exceeds the budget, chooses the next lower scale that fits; the image is then enlarged again and soft.
 * @param target the size to which the image will be resized
 * @throws ClassifierError image_too_large (decode_bytes, with the lowest cost), if no scale fits
 */
export function chooseScale(jpeg: CheckedJpeg, target: Size, budgetBytes: number): Scale {
  const largest = preferredScale(jpeg.header, target);
  const scales = ([8, 4, 2, 1] as const)
    .filter((eighths) => eighths <= largest)
    .map((eighths): Scale => ({ eighths, costBytes: decodeCostBytes(jpeg, eighths) }));
  const scale = scales.find(({ costBytes }) => costBytes <= budgetBytes);
  if (scale) return scale;
  throw imageTooLarge("decode_bytes", Math.min(...scales.map(({ costBytes }) => costBytes)), budgetBytes);
}

function preferredScale({ width, height }: Size, target: Size): Eighths {
  if (width * height <= maxFullScalePixels) return 8;
  const covers = (eighths: Eighths) =>
    width * eighths >= 8 * target.width && height * eighths >= 8 * target.height;
  return ([1, 2, 4] as const).find(covers) ?? 8;
}

/**
 * Bytes of all arrays that a decode at `eighths` allocates, computed before it allocates any: coefficients of one row of
 * MCUs, samples of two, one row of output, and Huffman tables. They grow with the width of the image but not with its
 * height, and progressive files need no more than sequential ones.
 */
export function decodeCostBytes(jpeg: CheckedJpeg, eighths: Eighths): number {
  const components = scaledComponents(jpeg.header, eighths);
  let bytes = huffmanBytes(jpeg, components) + scaledSize(jpeg.header, eighths).width * 3;
  for (const component of components)
    bytes += componentRowsBytes(component) + upsamplerBytes(component, eighths);
  return bytes;
}

/** The rows of a JPEG. Its owner calls finish() after the last row that it needs, and free() in any case. */
export class JpegRows implements RgbRows {
  readonly width: number;
  readonly height: number;
  readonly #scans: readonly ScanReader[];
  readonly #components: readonly ComponentRows[];
  readonly #upsamplers: readonly Upsampler[];
  readonly #colourTransform: boolean;
  readonly #output: Uint8ClampedArray;
  readonly #mcuRows: number;
  /** Output rows of one row of MCUs. */
  readonly #rowsPerMcu: number;
  /** Last output rows of a row of MCUs that are blended with samples from the next one. */
  readonly #blendedRows: number;
  /** Rows of MCUs that the scan readers have read so far. */
  #mcuRowsRead = 0;

  /** @param eighths the scale of the rows; the caller has checked its cost */
  constructor(jpeg: CheckedJpeg, eighths: Eighths) {
    const { header, quantisers } = jpeg;
    const shapes = scaledComponents(header, eighths);
    const { width, height } = scaledSize(header, eighths);
    this.width = width;
    this.height = height;
    this.#components = shapes.map((shape, i) => new ComponentRows(shape, quantiserOf(quantisers[i]!)));
    this.#upsamplers = this.#components.map((rows) => new Upsampler(rows, eighths));
    const decoders = new HuffmanDecoders();
    this.#scans = neededScans(jpeg, shapes).map(
      (scan) => new ScanReader(jpeg, scan, this.#components, decoders),
    );
    this.#colourTransform = hasColourTransform(header);
    this.#output = new Uint8ClampedArray(width * 3);
    this.#mcuRows = header.mcusPerColumn;
    this.#rowsPerMcu = header.maxV * eighths;
    const blending = shapes.filter((shape) => blendsRows(shape, eighths));
    this.#blendedRows = Math.max(0, ...blending.map(({ ratioY }) => ratioY >> 1));
  }

  /** @throws ClassifierError image_undecodable */
  row(y: number): Uint8ClampedArray {
    const mcuRow = Math.floor(y / this.#rowsPerMcu);
    const rowInMcu = y % this.#rowsPerMcu;
    const blendsBelow = rowInMcu >= this.#rowsPerMcu - this.#blendedRows && mcuRow + 1 < this.#mcuRows;
    const blendsAbove = rowInMcu < this.#blendedRows;
    this.#readTo(blendsAbove ? mcuRow - 1 : mcuRow, blendsBelow ? mcuRow + 1 : mcuRow);
    for (const upsampler of this.#upsamplers) upsampler.select(y);
    rowToRgb(this.#upsamplers, this.#colourTransform, this.#output);
    return this.#output;
  }

  /**
   * Reads the rest of the file, so that a file with broken or missing data is refused.
   * @throws ClassifierError image_undecodable
   */
  finish(): void {
    this.#readTo(this.#mcuRows, this.#mcuRows - 1);
  }

  /** Frees all large arrays. No rows can be read afterwards. */
  free(): void {
    for (const upsampler of this.#upsamplers) upsampler.free();
    for (const component of this.#components) component.free();
    freeBytes(this.#output);
  }

  /** Reads up to the row of MCUs `last`, and makes samples from `first` on. */
  #readTo(first: number, last: number): void {
    for (; this.#mcuRowsRead <= last; this.#mcuRowsRead++) {
      for (const component of this.#components) component.clear();
      for (const scan of this.#scans) scan.readMcuRow(this.#mcuRowsRead);
      if (this.#mcuRowsRead < first) continue;
      for (const component of this.#components) component.transform(this.#mcuRowsRead);
    }
  }
}

/** A quantisation table as 64 factors, row by row. */
function quantiserOf({ precision, values }: QuantisationTable): Int32Array {
  const quantiser = new Int32Array(64);
  for (let k = 0; k < 64; k++)
    quantiser[zigzag[k]!] = precision === 0 ? values[k]! : readUint16(values, 2 * k);
  return quantiser;
}

/**
 * Whether the components are YCbCr or YCCK. Three components: YCbCr with JFIF; otherwise the Adobe segment decides, and
 * without one the component ids. Four components: the Adobe segment decides; without one they are CMYK.
 */
function hasColourTransform({ components, hasJfif, adobeTransform }: JpegHeader): boolean {
  if (components.length === 4) return (adobeTransform ?? 0) !== 0;
  if (hasJfif) return true;
  if (adobeTransform !== undefined) return adobeTransform !== 0;
  return components.map((c) => String.fromCharCode(c.id)).join("") !== "RGB";
}

/** One row of a component: one sample per pixel, from index `at` of `samples`. */
interface SampleRow {
  readonly samples: Uint8ClampedArray;
  readonly at: number;
}

/** Fills `out` with one row of RGB, interleaved, from one row of each component. */
function rowToRgb(rows: readonly SampleRow[], colourTransform: boolean, out: Uint8ClampedArray): void {
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

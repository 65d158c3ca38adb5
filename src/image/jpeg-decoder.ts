/**
 * Decodes a JPEG at 8/8, 4/8, 2/8 or 1/8 of its size, row by row. It holds only a few rows of samples, for sequential and
 * progressive files alike, and never the whole image: see decodeCostBytes. At 8/8 the pixels equal those of libjpeg-turbo
 * with its default settings, bit for bit.
 */
import { freeBytes } from "../bytes/free-bytes.ts";
import { hasColourTransform, rowToRgb } from "./colour.ts";
import { ComponentRows } from "./component-rows.ts";
import { zigzag } from "./entropy-reader.ts";
import type { CheckedJpeg } from "./jpeg-scans.ts";
import { readUint16 } from "./jpeg-segments.ts";
import type { QuantisationTable } from "./jpeg-tables.ts";
import type { Eighths, RgbRows } from "./rgb-image.ts";
import { scaledComponents, scaledSize } from "./scaled-frame.ts";
import { HuffmanDecoders, neededScans, ScanReader } from "./scan-reader.ts";
import { blendsRows, Upsampler } from "./upsample.ts";

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

/** Makes rows of RGB pixels from the inflated image data of a PNG: filters, sample formats, transparency and Adam7. */
import { freeBytes } from "../../bytes/byte-arrays.ts";
import { undecodable } from "../../errors.ts";
import type { RowSink } from "../rgb-image.ts";
import { type CheckedPng, ColourType, type PngHeader } from "./chunks.ts";

/** Places of pixels: `x + i * stepX`, `y + j * stepY`. */
interface Grid {
  readonly x: number;
  readonly y: number;
  readonly stepX: number;
  readonly stepY: number;
}

/** A reduced image. */
interface Pass extends Grid {
  readonly width: number;
  readonly height: number;
  /** Bytes of a row without its filter byte. */
  readonly rowBytes: number;
}

/** The grids of Adam7 (8.1): x, y, stepX, stepY. */
const adam7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;

const wholeImage = [[0, 0, 1, 1]] as const;

/** The passes of an image. Those without pixels are left out, because they have no data (8.1). */
function passesOf(header: PngHeader): readonly Pass[] {
  const grids = header.isInterlaced ? adam7 : wholeImage;
  const passes = grids.map(([x, y, stepX, stepY]): Pass => {
    const width = Math.ceil((header.width - x) / stepX);
    const height = Math.ceil((header.height - y) / stepY);
    return { x, y, stepX, stepY, width, height, rowBytes: rowBytesOf(header, width) };
  });
  return passes.filter(({ width, height }) => width > 0 && height > 0);
}

/** Bytes of `width` pixels, whose rows begin at whole bytes (7.2). */
function rowBytesOf({ bitDepth, channels }: PngHeader, width: number): number {
  return Math.ceil((width * channels * bitDepth) / 8);
}

/** Bytes of the inflated image data: all rows of all passes, with their filter bytes. */
export function imageDataBytes(header: PngHeader): number {
  return passesOf(header).reduce((sum, { rowBytes, height }) => sum + (rowBytes + 1) * height, 0);
}

/**
 * Bytes that PngRows allocates: two rows as in the file, one of RGB unless the file has that, and the whole image if it is
 * interlaced.
 */
export function rowsBytes(png: CheckedPng): number {
  const { header } = png;
  const { width, height, isInterlaced } = header;
  const rgbRows = (isPlainRgb(png) ? 0 : 1) + (isInterlaced ? height : 0);
  return 2 * rowBytesOf(header, width) + rgbRows * width * 3 + tableBytes(header);
}

/**
 * Takes the inflated image data in blocks of any size and pushes rows of RGB pixels into a sink: each as soon as it is
 * complete, or all at the end of an interlaced image. Its owner calls finish() after the last block, and free() in any case.
 */
export class PngRows {
  readonly #sink: RowSink;
  readonly #header: PngHeader;
  readonly #passes: readonly Pass[];
  readonly #toRgb: ToRgb | undefined;
  readonly #bytesPerPixel: number;
  /** The row that arrives and the row above it, unfiltered. */
  #row: Uint8Array;
  #above: Uint8Array;
  readonly #rgb: Uint8Array;
  /** All pixels of an interlaced image. */
  readonly #image: Uint8Array;
  #passIndex = 0;
  /** Row of the pass. */
  #y = 0;
  #filter = 0;
  /** Bytes of the row that have arrived. -1 before its filter byte. */
  #filled = -1;

  constructor(png: CheckedPng, sink: RowSink) {
    const { header } = png;
    const { width, height, bitDepth, channels, isInterlaced } = header;
    this.#sink = sink;
    this.#header = header;
    this.#passes = passesOf(header);
    this.#toRgb = isPlainRgb(png) ? undefined : converterOf(png);
    this.#bytesPerPixel = Math.max(1, (channels * bitDepth) >> 3);
    this.#row = new Uint8Array(rowBytesOf(header, width));
    this.#above = new Uint8Array(this.#row.length);
    this.#rgb = new Uint8Array(this.#toRgb ? width * 3 : 0);
    this.#image = new Uint8Array(isInterlaced ? width * height * 3 : 0);
  }

  /** @throws ClassifierError image_undecodable; what the sink throws */
  take(block: Uint8Array): void {
    for (let at = 0; at < block.length; ) {
      const pass = this.#passes[this.#passIndex];
      if (!pass) throw undecodable("its image data is longer than its header says");
      at = this.#takeRows(pass, block, at);
    }
  }

  /**
   * Takes the rows of a pass from `start` on. Its state is in local variables, because a pass may have 50 million rows.
   * @returns the index of the first byte that does not belong to the pass, or the end of the block
   */
  #takeRows({ width, height, rowBytes, ...grid }: Pass, block: Uint8Array, start: number): number {
    const { isInterlaced } = this.#header;
    const { firstRow, endRow } = isInterlaced ? { firstRow: 0, endRow: height } : this.#sink;
    const bytesPerPixel = this.#bytesPerPixel;
    let [row, above] = [this.#row, this.#above];
    let [y, filter, filled] = [this.#y, this.#filter, this.#filled];
    let at = start;
    while (at < block.length && y < height) {
      if (filled < 0) {
        filter = block[at++]!;
        if (filter > 4) throw undecodable(`a row has filter ${filter}; the highest is 4`);
        filled = 0;
      }
      const end = Math.min(rowBytes, filled + block.length - at);
      unfilter(filter, block, at - filled, row, above, filled, end, bytesPerPixel);
      at += end - filled;
      filled = end;
      if (filled < rowBytes) break;
      if (y >= firstRow && y < endRow) {
        this.#toRgb?.(row, this.#rgb, width * 3);
        const rgb = this.#toRgb ? this.#rgb : row;
        if (isInterlaced) this.#scatter(rgb, grid, y, width);
        else this.#sink.push(rgb);
      }
      const next = above;
      above = row;
      row = next;
      filled = -1;
      y++;
    }
    if (y === height) {
      this.#passIndex++;
      y = 0;
      // The row above the first one of a pass counts as zeros (9.2).
      above.fill(0);
    }
    [this.#row, this.#above] = [row, above];
    [this.#y, this.#filter, this.#filled] = [y, filter, filled];
    return at;
  }

  /**
   * Pushes the rows of an interlaced image.
   * @throws ClassifierError image_undecodable, if rows are missing
   */
  finish(): void {
    if (this.#passIndex < this.#passes.length) throw undecodable("its image data ends too early");
    if (!this.#header.isInterlaced) return;
    const rowBytes = this.#header.width * 3;
    for (let y = this.#sink.firstRow; y < this.#sink.endRow; y++) {
      this.#sink.push(this.#image.subarray(y * rowBytes, (y + 1) * rowBytes));
    }
  }

  /** Frees all arrays that grow with the image. */
  free(): void {
    for (const array of [this.#row, this.#above, this.#rgb, this.#image]) freeBytes(array);
  }

  /** Copies the pixels of a row to their places in the image. */
  #scatter(rgb: Uint8Array, { x, y, stepX, stepY }: Grid, row: number, width: number): void {
    const image = this.#image;
    let to = ((y + row * stepY) * this.#header.width + x) * 3;
    for (let from = 0; from < width * 3; from += 3, to += 3 * stepX) {
      image[to] = rgb[from]!;
      image[to + 1] = rgb[from + 1]!;
      image[to + 2] = rgb[from + 2]!;
    }
  }
}

/**
 * Undoes the filter (9.2) of the bytes [from, to) of a row. Byte i of the row is byte start + i of `source`. A byte before
 * the row counts as 0.
 */
function unfilter(
  filter: number,
  source: Uint8Array,
  start: number,
  row: Uint8Array,
  above: Uint8Array,
  from: number,
  to: number,
  bytesPerPixel: number,
): void {
  /** The first byte that has a pixel to its left. */
  const inner = Math.min(to, Math.max(from, bytesPerPixel));
  switch (filter) {
    case 0:
      for (let i = from; i < to; i++) row[i] = source[start + i]!;
      return;
    case 1:
      for (let i = from; i < inner; i++) row[i] = source[start + i]!;
      for (let i = inner; i < to; i++) row[i] = source[start + i]! + row[i - bytesPerPixel]!;
      return;
    case 2:
      for (let i = from; i < to; i++) row[i] = source[start + i]! + above[i]!;
      return;
    case 3:
      for (let i = from; i < inner; i++) row[i] = source[start + i]! + (above[i]! >> 1);
      for (let i = inner; i < to; i++) {
        row[i] = source[start + i]! + ((row[i - bytesPerPixel]! + above[i]!) >> 1);
      }
      return;
    case 4:
      for (let i = from; i < inner; i++) row[i] = source[start + i]! + above[i]!;
      for (let i = inner; i < to; i++) {
        const left = row[i - bytesPerPixel]!;
        const up = above[i]!;
        const corner = above[i - bytesPerPixel]!;
        row[i] = source[start + i]! + paeth(left, up, corner);
      }
  }
}

/**
 * Returns whichever of the three is closest to left + up - corner; of equally close ones the first (9.4). Without branches,
 * which the processor would often predict wrongly: left and up are `low` and `high`, and 3 * corner - left - up is at most
 * `low` if the sum is closest to `high`, and at least `high` if it is closest to `low` (the form that stb_image uses).
 */
function paeth(left: number, up: number, corner: number): number {
  const difference = left - up;
  const less = difference & (difference >> 31);
  const low = up + less;
  const high = left - less;
  const threshold = 3 * corner - left - up;
  const lowOrCorner = low ^ ((low ^ corner) & ((threshold - high) >> 31));
  return high ^ ((high ^ lowOrCorner) & ((low - threshold) >> 31));
}

/** Converts the pixels of an unfiltered row to `length` bytes of RGB, composited over white. */
type ToRgb = (row: Uint8Array, rgb: Uint8Array, length: number) => void;

/** Whether rows of the file are rows of RGB already. */
function isPlainRgb({ header, transparency }: CheckedPng): boolean {
  return header.colourType === ColourType.rgb && header.bitDepth === 8 && !transparency;
}

/** Whether a sample is an index into a table: of a palette, or of levels of grey. */
function isIndexed({ colourType, bitDepth }: PngHeader): boolean {
  return colourType === ColourType.palette || (colourType === ColourType.grey && bitDepth <= 8);
}

/** Bytes of the table of an indexed image: RGB for each value that a sample can have. */
const tableBytes = (header: PngHeader) => (isIndexed(header) ? 3 << header.bitDepth : 0);

function converterOf({ header, palette, transparency }: CheckedPng): ToRgb {
  const { colourType, bitDepth } = header;
  if (isIndexed(header)) {
    const table = palette ? paletteTable(header, palette, transparency) : greyTable(header, transparency);
    return (row, rgb, length) => lookUp(row, bitDepth, table, rgb, length);
  }
  const layout = layoutOf(header);
  if (colourType === ColourType.greyAlpha || colourType === ColourType.rgba) {
    return (row, rgb, length) => blend(row, layout, rgb, length);
  }
  const key = keyOf(header, transparency);
  return (row, rgb, length) => copy(row, layout, key, rgb, length);
}

/** Returns the colours of a palette. Indices beyond its end are black, as in libpng and Pillow. */
function paletteTable(header: PngHeader, palette: Uint8Array, alphas: Uint8Array | undefined): Uint8Array {
  const table = new Uint8Array(tableBytes(header));
  for (let i = 0; i < Math.min(table.length, palette.length); i++) {
    table[i] = overWhite(palette[i]!, alphas?.[Math.floor(i / 3)] ?? 255);
  }
  return table;
}

/** Returns the levels of grey, spread over 0 to 255 (13.12). The transparent one is white. */
function greyTable(header: PngHeader, transparency: Uint8Array | undefined): Uint8Array {
  const highest = (1 << header.bitDepth) - 1;
  const table = new Uint8Array(tableBytes(header));
  for (let i = 0; i < table.length; i++) table[i] = (Math.floor(i / 3) * 255) / highest;
  // Only the low bits of the value count (11.3.2.1).
  if (transparency) table.fill(255, 3 * (transparency[1]! & highest), 3 * (transparency[1]! & highest) + 3);
  return table;
}

/** Looks up samples of up to 8 bits, of which the first of a byte is in its high bits (7.2). */
function lookUp(row: Uint8Array, bitDepth: number, table: Uint8Array, rgb: Uint8Array, length: number): void {
  const mask = (1 << bitDepth) - 1;
  for (let to = 0, bit = 0; to < length; to += 3, bit += bitDepth) {
    const entry = 3 * ((row[bit >> 3]! >> (8 - bitDepth - (bit & 7))) & mask);
    rgb[to] = table[entry]!;
    rgb[to + 1] = table[entry + 1]!;
    rgb[to + 2] = table[entry + 2]!;
  }
}

/** Bytes of a pixel, and where its samples are. */
interface Layout {
  readonly pixelBytes: number;
  readonly greenAt: number;
  readonly blueAt: number;
  readonly alphaAt: number;
}

/** Returns the layout of a pixel of whole bytes. Of 16 bits the first 8 are used, as in Pillow and libpng's strip_16. */
function layoutOf({ bitDepth, channels, colourType }: PngHeader): Layout {
  const sampleBytes = bitDepth / 8;
  const isGrey = colourType === ColourType.grey || colourType === ColourType.greyAlpha;
  return {
    pixelBytes: channels * sampleBytes,
    greenAt: isGrey ? 0 : sampleBytes,
    blueAt: isGrey ? 0 : 2 * sampleBytes,
    alphaAt: (channels - 1) * sampleBytes,
  };
}

/** Composites pixels with alpha over white. */
function blend(row: Uint8Array, layout: Layout, rgb: Uint8Array, length: number): void {
  const { pixelBytes, greenAt, blueAt, alphaAt } = layout;
  for (let to = 0, at = 0; to < length; to += 3, at += pixelBytes) {
    const alpha = row[at + alphaAt]!;
    rgb[to] = overWhite(row[at]!, alpha);
    rgb[to + 1] = overWhite(row[at + greenAt]!, alpha);
    rgb[to + 2] = overWhite(row[at + blueAt]!, alpha);
  }
}

/** Composites a level over white. Rounds to the nearest level, as Pillow's paste does. */
function overWhite(level: number, alpha: number): number {
  const sum = level * alpha + 255 * (255 - alpha) + 128;
  return (sum + (sum >> 8)) >> 8;
}

/** Copies pixels without alpha. Those that equal the transparent colour become white. */
function copy(row: Uint8Array, layout: Layout, key: Uint8Array, rgb: Uint8Array, length: number): void {
  const { pixelBytes, greenAt, blueAt } = layout;
  for (let to = 0, at = 0; to < length; to += 3, at += pixelBytes) {
    const isKey = equalsKey(row, at, key);
    rgb[to] = isKey ? 255 : row[at]!;
    rgb[to + 1] = isKey ? 255 : row[at + greenAt]!;
    rgb[to + 2] = isKey ? 255 : row[at + blueAt]!;
  }
}

function equalsKey(row: Uint8Array, at: number, key: Uint8Array): boolean {
  for (let i = 0; i < key.length; i++) if (row[at + i] !== key[i]) return false;
  return key.length > 0;
}

/** Returns the bytes of the transparent pixel: tRNS has 16 bits for every sample (11.3.2.1). Empty without one. */
function keyOf({ bitDepth }: PngHeader, transparency: Uint8Array | undefined): Uint8Array {
  if (!transparency) return new Uint8Array(0);
  return bitDepth === 16 ? transparency : transparency.filter((_, i) => i % 2 === 1);
}

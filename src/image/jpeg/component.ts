/**
 * One component of a JPEG during a decode: its shape at the scale of the decode, its coefficients and samples of a few rows
 * of MCUs, and its rows at the size of the image.
 */

import { freeBytes } from "../../bytes/byte-arrays.ts";
import type { Eighths, Size } from "../rgb-image.ts";
import type { JpegHeader } from "./header.ts";
import { inverseDct } from "./inverse-dct.ts";

/** One component of a frame at the scale of a decode. */
export interface ScaledComponent {
  /** Sampling factors: blocks of an MCU, across and down. */
  readonly h: number;
  readonly v: number;
  /** Samples on each side of a block after the inverse DCT. */
  readonly blockSize: Eighths;
  /** Zigzag index of the last coefficient that this inverse DCT uses. */
  readonly lastCoefficient: number;
  /** Coefficients of a block that are stored: all, or only the DC coefficient at 1/8. */
  readonly coefficientsPerBlock: 1 | 64;
  /** Blocks that cover the component, and blocks of whole MCUs, which an interleaved scan codes. */
  readonly blocksPerLine: number;
  readonly blocksPerColumn: number;
  readonly paddedPerLine: number;
  /** Samples of the component at this scale. */
  readonly sampleWidth: number;
  readonly sampleHeight: number;
  /** Output pixels per sample, 1 to 4. */
  readonly ratioX: number;
  readonly ratioY: number;
}

/** Zigzag index of the last coefficient among the `blockSize` x `blockSize` lowest frequencies. */
const lastCoefficients: Readonly<Record<Eighths, number>> = { 1: 0, 2: 4, 4: 24, 8: 63 };

/** Size of an image at `eighths` of its full size, rounded up. */
export function scaledSize({ width, height }: Size, eighths: Eighths): Size {
  return { width: Math.ceil((width * eighths) / 8), height: Math.ceil((height * eighths) / 8) };
}

/** The components of a frame at `eighths` of its size. */
export function scaledComponents(header: JpegHeader, eighths: Eighths): readonly ScaledComponent[] {
  const { width, height, maxH, maxV, components } = header;
  return components.map(({ h, v, blocksPerLine, blocksPerColumn, paddedPerLine }) => {
    const blockSize = componentBlockSize(maxH / h, maxV / v, eighths);
    return {
      ...{ h, v, blockSize, blocksPerLine, blocksPerColumn, paddedPerLine },
      lastCoefficient: lastCoefficients[blockSize],
      coefficientsPerBlock: eighths === 1 ? 1 : 64,
      sampleWidth: Math.ceil((width * h * blockSize) / (8 * maxH)),
      sampleHeight: Math.ceil((height * v * blockSize) / (8 * maxV)),
      ratioX: (maxH * eighths) / (h * blockSize),
      ratioY: (maxV * eighths) / (v * blockSize),
    };
  });
}

/**
 * A subsampled component uses a larger inverse DCT if that saves upsampling in both directions, as in libjpeg-turbo. Not at
 * 1/8: there the DC coefficients suffice, so AC scans need not be read.
 */
function componentBlockSize(ratioX: number, ratioY: number, eighths: Eighths): Eighths {
  let size: number = eighths;
  if (eighths === 1) return eighths;
  for (let factor = 2; size < 8 && ratioX % factor === 0 && ratioY % factor === 0; factor *= 2) size *= 2;
  return size as Eighths;
}

const quantiserBytes = 4 * 64;

/** Bytes of the arrays of a ComponentRows. */
export function componentRowsBytes(component: ScaledComponent): number {
  const { v, paddedPerLine, coefficientsPerBlock, blocksPerLine, blockSize } = component;
  const blocks = v * paddedPerLine;
  const samples = 2 * v * blockSize * blocksPerLine * blockSize;
  return blocks * (2 * coefficientsPerBlock + 1) + samples + quantiserBytes;
}

/** The part of a component that a decode holds in memory: coefficients of one row of MCUs, samples of two. */
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

type Method = "none" | "h2v1" | "h1v2" | "h2v2" | "repeat" | "linear";

/** libjpeg does not interpolate horizontally in components of at most this many samples per row. */
const narrow = 2;

function methodOf({ ratioX, ratioY, sampleWidth }: ScaledComponent, eighths: Eighths): Method {
  if (ratioX === 1 && ratioY === 1) return "none";
  if (ratioX === 1 && ratioY === 2) return "h1v2";
  if (ratioX === 2 && ratioY <= 2 && sampleWidth > narrow) return ratioY === 2 ? "h2v2" : "h2v1";
  return eighths === 8 ? "repeat" : "linear";
}

/** Whether an output row also depends on the sample rows above or below it. */
export function blendsRows(component: ScaledComponent, eighths: Eighths): boolean {
  return component.ratioY > 1 && ["h1v2", "h2v2", "linear"].includes(methodOf(component, eighths));
}

/** Bytes of the arrays of an Upsampler. */
export function upsamplerBytes(component: ScaledComponent, eighths: Eighths): number {
  const method = methodOf(component, eighths);
  const output = method === "none" ? 0 : component.sampleWidth * component.ratioX;
  return output + (method === "linear" ? 2 * component.sampleWidth : 0);
}

/**
 * A component's rows at the size of the image.
 * - Half as wide, half as high or both: libjpeg-turbo's "fancy" upsampling, a triangle filter, bit for bit. Its rounding
 *   alternates, so that the mean does not shift.
 * - Other ratios: at full size, samples are repeated, as in libjpeg. At lower scales they are interpolated linearly,
 *   because the error of repeating them grows with the size of a block.
 */
export class Upsampler {
  readonly #rows: ComponentRows;
  readonly #method: Method;
  readonly #output: Uint8ClampedArray;
  readonly #blended: Uint16Array | undefined;
  /** The row that select() computed: one sample per output pixel, from index `at` of `samples`. */
  samples: Uint8ClampedArray;
  at = 0;

  constructor(rows: ComponentRows, eighths: Eighths) {
    const { shape } = rows;
    this.#rows = rows;
    this.#method = methodOf(shape, eighths);
    this.#output =
      this.#method === "none" ? rows.samples : new Uint8ClampedArray(shape.sampleWidth * shape.ratioX);
    this.#blended = this.#method === "linear" ? new Uint16Array(shape.sampleWidth) : undefined;
    this.samples = this.#output;
  }

  /** Computes row `y` of the output. ComponentRows must hold the sample rows that it needs. */
  select(y: number): void {
    const { sampleHeight, ratioY } = this.#rows.shape;
    const row = Math.floor(y / ratioY);
    if (this.#method === "none") {
      this.at = this.#rows.sampleRow(row);
      return;
    }
    const inLowerHalf = y % ratioY >= ratioY / 2;
    const other = Math.min(Math.max(inLowerHalf ? row + 1 : row - 1, 0), sampleHeight - 1);
    const near = this.#rows.sampleRow(row);
    const far = this.#rows.sampleRow(other);
    if (this.#method === "h2v2") this.#h2v2(near, far);
    else if (this.#method === "h2v1") this.#h2v1(near);
    else if (this.#method === "h1v2") this.#h1v2(near, far, inLowerHalf ? 2 : 1);
    else if (this.#method === "repeat") this.#repeat(near);
    else this.#linear(near, far, Math.abs(2 * (y % ratioY) + 1 - ratioY));
  }

  /** Frees the arrays. No rows can be computed afterwards. */
  free(): void {
    freeBytes(this.#output);
    if (this.#blended) freeBytes(this.#blended);
  }

  #h2v1(near: number): void {
    const { samples, shape } = this.#rows;
    const output = this.#output;
    const last = shape.sampleWidth - 1;
    let before = samples[near]!;
    let here = before;
    for (let i = 0; i <= last; i++) {
      const after = i < last ? samples[near + i + 1]! : here;
      output[2 * i] = (3 * here + before + 1) >> 2;
      output[2 * i + 1] = (3 * here + after + 2) >> 2;
      before = here;
      here = after;
    }
  }

  #h1v2(near: number, far: number, rounding: number): void {
    const { samples, shape } = this.#rows;
    const output = this.#output;
    for (let i = 0; i < shape.sampleWidth; i++) {
      output[i] = (3 * samples[near + i]! + samples[far + i]! + rounding) >> 2;
    }
  }

  #h2v2(near: number, far: number): void {
    const { samples, shape } = this.#rows;
    const output = this.#output;
    const last = shape.sampleWidth - 1;
    let before = 3 * samples[near]! + samples[far]!;
    let here = before;
    for (let i = 0; i <= last; i++) {
      const after = i < last ? 3 * samples[near + i + 1]! + samples[far + i + 1]! : here;
      output[2 * i] = (3 * here + before + 8) >> 4;
      output[2 * i + 1] = (3 * here + after + 7) >> 4;
      before = here;
      here = after;
    }
  }

  #repeat(near: number): void {
    const { samples, shape } = this.#rows;
    const output = this.#output;
    let to = 0;
    for (let i = near; i < near + shape.sampleWidth; i++) {
      const sample = samples[i]!;
      for (const end = to + shape.ratioX; to < end; to++) output[to] = sample;
    }
  }

  /** @param farWeight weight of the farther row, in parts of 2 * ratioY */
  #linear(near: number, far: number, farWeight: number): void {
    const { samples, shape } = this.#rows;
    const { sampleWidth, ratioX, ratioY } = shape;
    const output = this.#output;
    const blended = this.#blended!;
    for (let i = 0; i < sampleWidth; i++) {
      blended[i] = samples[near + i]! * (2 * ratioY - farWeight) + samples[far + i]! * farWeight;
    }
    const full = 4 * ratioX * ratioY;
    for (let i = 0; i < sampleWidth; i++) {
      const here = blended[i]!;
      const before = blended[Math.max(i - 1, 0)]!;
      const after = blended[Math.min(i + 1, sampleWidth - 1)]!;
      for (let j = 0; j < ratioX; j++) {
        // Distance of the pixel's centre from the sample's, in parts of 2 * ratioX.
        const distance = 2 * j + 1 - ratioX;
        const beside = distance < 0 ? before : after;
        const weight = Math.abs(distance);
        output[i * ratioX + j] = (here * (2 * ratioX - weight) + beside * weight + full / 2) / full;
      }
    }
  }
}

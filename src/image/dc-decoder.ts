/**
 * A JPEG at an eighth of its size from its DC coefficients alone: one pixel for each 8x8 block, in a few MB at any size.
 * It is what an inverse DCT of 1x1 samples gives. Pure.
 */
import { freeBytes } from "../free-bytes.ts";
import { type BlockGrid, blockGrids } from "./block-grid.ts";
import { hasColourTransform, rowToRgb } from "./colour.ts";
import { readDcCoefficients } from "./dc-coefficients.ts";
import { type JpegHeader, maxSampling } from "./jpeg-header.ts";
import type { CheckedJpeg } from "./jpeg-scans.ts";
import { readUint16 } from "./jpeg-segments.ts";
import type { RgbImage } from "./rgb-image.ts";
import { scaledSize } from "./scaled-decoder.ts";

/**
 * scaledSize at 1/8, colours as for decodeWithJpegJs; subsampled chroma is interpolated. The caller has checked the cost.
 * Throws image_undecodable, also where the data ends early.
 */
export function decodeDcOnly(jpeg: CheckedJpeg): RgbImage {
  const { header } = jpeg;
  const { width, height } = scaledSize(header, 1);
  const grids = blockGrids(header);
  const quantisers = dcQuantisers(jpeg);
  const upsamplers = readDcCoefficients(jpeg).map((plane, index) => {
    const samples = toSamples(plane, quantisers[index]!);
    return new Upsampler(samples, grids[index]!, samplingRatio(header, index), width);
  });
  const data = new Uint8ClampedArray(width * height * 3);
  const colourTransform = hasColourTransform(header);
  for (let y = 0; y < height; y++) {
    const rows = upsamplers.map((upsampler) => upsampler.row(y));
    rowToRgb(rows, colourTransform, data, y * width * 3);
  }
  for (const upsampler of upsamplers) upsampler.free();
  return { width, height, data };
}

/** The first value of each component's quantisation table: DC comes first in zigzag order. */
function dcQuantisers({ header, scans }: CheckedJpeg): readonly number[] {
  const quantisers = header.components.map(() => 0);
  for (const { quantisation } of scans) {
    for (const { component, table } of quantisation) {
      quantisers[component] = table.precision === 0 ? table.values[0]! : readUint16(table.values, 0);
    }
  }
  return quantisers;
}

/**
 * Block means as levels: a DC coefficient is eight times the mean of samples that are shifted by -128 (T.81 A.3). Frees the
 * plane.
 */
function toSamples(plane: Int16Array, quantiser: number): Uint8ClampedArray {
  const samples = new Uint8ClampedArray(plane.length);
  for (let i = 0; i < plane.length; i++) samples[i] = ((plane[i]! * quantiser + 4) >> 3) + 128;
  freeBytes(plane);
  return samples;
}

interface Ratio {
  /** Output pixels per sample, 1 to 4. */
  readonly x: number;
  readonly y: number;
}

function samplingRatio({ components }: JpegHeader, index: number): Ratio {
  const { maxH, maxV } = maxSampling(components);
  const { h, v } = components[index]!;
  return { x: maxH / h, y: maxV / v };
}

/** Rows of a component at the size of the output: bilinear, between the centres of its samples. */
class Upsampler {
  readonly #samples: Uint8ClampedArray;
  readonly #grid: BlockGrid;
  readonly #ratio: Ratio;
  readonly #row: Uint8Array;
  readonly #blended: Uint16Array;

  constructor(samples: Uint8ClampedArray, grid: BlockGrid, ratio: Ratio, width: number) {
    this.#samples = samples;
    this.#grid = grid;
    this.#ratio = ratio;
    this.#row = new Uint8Array(width);
    this.#blended = new Uint16Array(grid.blocksPerLine);
  }

  /** One sample per output pixel; the array is reused. */
  row(y: number): Uint8Array {
    const { x: ratioX, y: ratioY } = this.#ratio;
    const { blocksPerLine, blocksPerColumn, paddedPerLine } = this.#grid;
    const vertical = neighbours(y, ratioY, blocksPerColumn);
    const upper = vertical.first * paddedPerLine;
    const lower = vertical.second * paddedPerLine;
    for (let i = 0; i < blocksPerLine; i++) {
      const above = this.#samples[upper + i]! * (2 * ratioY - vertical.weight);
      this.#blended[i] = above + this.#samples[lower + i]! * vertical.weight;
    }
    const full = 4 * ratioX * ratioY;
    for (let x = 0; x < this.#row.length; x++) {
      const { first, second, weight } = neighbours(x, ratioX, blocksPerLine);
      const sum = this.#blended[first]! * (2 * ratioX - weight) + this.#blended[second]! * weight;
      this.#row[x] = (sum + full / 2) / full;
    }
    return this.#row;
  }

  /** There are no rows afterwards. */
  free(): void {
    freeBytes(this.#samples);
  }
}

/** The samples on either side of an output pixel's centre, and the second one's weight in parts of 2 * ratio. */
function neighbours(
  pixel: number,
  ratio: number,
  samples: number,
): { first: number; second: number; weight: number } {
  // The centre lies at (pixel + 0.5) / ratio - 0.5 samples; times 2 * ratio it is a whole number.
  const centre = 2 * pixel + 1 - ratio;
  const left = Math.floor(centre / (2 * ratio));
  return {
    first: Math.min(Math.max(left, 0), samples - 1),
    second: Math.min(left + 1, samples - 1),
    weight: centre - left * 2 * ratio,
  };
}

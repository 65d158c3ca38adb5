/** How a frame is decoded at a scale: the inverse DCT, samples and upsampling of each component. */
import type { JpegHeader } from "./jpeg-header.ts";
import type { Eighths, Size } from "./rgb-image.ts";

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

/** The scale at which an image is decoded, by its size and by the memory that the decode needs. */
import { ClassifierError } from "../errors.ts";
import { componentRowsBytes } from "./component-rows.ts";
import type { CheckedJpeg } from "./jpeg-scans.ts";
import type { Eighths, Size } from "./rgb-image.ts";
import { scaledComponents, scaledSize } from "./scaled-frame.ts";
import { huffmanBytes } from "./scan-reader.ts";
import { upsamplerBytes } from "./upsample.ts";

/**
 * Largest image, in pixels, that is decoded at full size, so that ordinary web photographs have exactly libjpeg's pixels.
 * This bounds CPU, about 25 ns per pixel or 33 ms at the limit; the memory does not depend on it.
 */
export const maxFullScalePixels = 1_310_720;

/** How an image is decoded. */
export interface DecodeScale {
  /** The decoded image has this many eighths of the file's width and height. */
  readonly eighths: Eighths;
  /** Bytes that the decode allocates: decodeCostBytes. */
  readonly costBytes: number;
}

/**
 * Chooses full size up to maxFullScalePixels. Above it, chooses the lowest scale at which neither side is smaller than the
 * target. If that exceeds the budget, chooses the next lower scale that fits; the image is then enlarged again and soft.
 * @param target the size to which the image will be resized
 * @throws ClassifierError image_too_large (decode_bytes, with the lowest cost), if no scale fits
 */
export function chooseScale(jpeg: CheckedJpeg, target: Size, budgetBytes: number): DecodeScale {
  const largest = preferredScale(jpeg.header, target);
  const scales = ([8, 4, 2, 1] as const)
    .filter((eighths) => eighths <= largest)
    .map((eighths): DecodeScale => ({ eighths, costBytes: decodeCostBytes(jpeg, eighths) }));
  const scale = scales.find(({ costBytes }) => costBytes <= budgetBytes);
  if (scale) return scale;
  throw new ClassifierError({
    code: "image_too_large",
    unit: "decode_bytes",
    measured: Math.min(...scales.map(({ costBytes }) => costBytes)),
    limit: budgetBytes,
  });
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

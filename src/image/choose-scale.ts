/** The scale at which an image is decoded. Pure. */
import { ClassifierError } from "../errors.ts";
import { maxFullScalePixels } from "../limits.ts";
import { decodeCostBytes } from "./decode-cost.ts";
import type { CheckedJpeg } from "./jpeg-scans.ts";
import type { Eighths, Size } from "./rgb-image.ts";

/** How an image is decoded. */
export interface DecodeScale {
  /** The decoded image has this many eighths of the file's width and height. */
  readonly eighths: Eighths;
  /** Bytes that the decode holds: decodeCostBytes. */
  readonly costBytes: number;
}

/**
 * Full size up to maxFullScalePixels. Above it, the least scale at which neither side falls below the target. Where the memory does
 * not fit the budget, the next lower scale that does; the image is then enlarged again, and soft.
 * @param target the size to which the image will be resized
 * @throws ClassifierError image_too_large (decode_bytes, with the least cost) where no scale fits
 */
export function chooseScale(jpeg: CheckedJpeg, target: Size, budgetBytes: number): DecodeScale {
  const largest = wantedScale(jpeg.header, target);
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

function wantedScale({ width, height }: Size, target: Size): Eighths {
  if (width * height <= maxFullScalePixels) return 8;
  const covers = (eighths: Eighths) =>
    width * eighths >= 8 * target.width && height * eighths >= 8 * target.height;
  return ([1, 2, 4] as const).find(covers) ?? 8;
}

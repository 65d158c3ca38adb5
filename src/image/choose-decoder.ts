/** Which decoder an image goes to, by its header alone. Pure. */
import { ClassifierError } from "../errors.ts";
import { dcOnlyCostBytes, jpegJsCostBytes, scaledCostBytes } from "./decode-cost.ts";
import type { JpegHeader } from "./jpeg-header.ts";
import type { Eighths, Size } from "./rgb-image.ts";

export type DecoderName = "jpeg-js" | "scaled" | "dc-only";

export interface DecoderChoice {
  readonly decoder: DecoderName;
  /** The decoded image is so many eighths of the file's size. */
  readonly eighths: Eighths;
  /** As decode-cost.ts counts. */
  readonly costBytes: number;
}

/** What is known of a file before it is decoded. */
export interface DecoderNeeds {
  readonly header: JpegHeader;
  readonly compressedBytes: number;
  /** The size that the image will be resized to. */
  readonly target: Size;
  /** jpeg-js would go wrong on it: see jpegJsDecodes. */
  readonly withoutJpegJs?: boolean;
}

/**
 * 1. jpeg-js where its whole cost fits.
 * 2. Else the least scale at which neither side falls below the target. Where that does not fit, the next lower one:
 *    the image is then enlarged again, and soft.
 * 1/8 is the DC-only decoder's: beside the scaled decoder at 1/8 it needs no coefficients in memory (progressive), no
 * copy of the compressed bytes, about the same time for a sequential file and a tenth for a progressive one, and it
 * rounds better.
 * Throws image_too_large (decode_bytes, the least cost of any decoder) where nothing fits.
 */
export function chooseDecoder(needs: DecoderNeeds, budgetBytes: number): DecoderChoice {
  const candidates = decoderCandidates(needs);
  const choice = candidates.find(({ costBytes }) => costBytes <= budgetBytes);
  if (choice) return choice;
  throw new ClassifierError({
    code: "image_too_large",
    unit: "decode_bytes",
    measured: Math.min(...candidates.map(({ costBytes }) => costBytes)),
    limit: budgetBytes,
  });
}

/** All ways to decode, the preferred one first. */
function decoderCandidates(needs: DecoderNeeds): readonly DecoderChoice[] {
  const { header, compressedBytes, target } = needs;
  const least = leastScale(header, target);
  const scaled = ([8, 4, 2] as const)
    .filter((eighths) => eighths <= least)
    .map((eighths): DecoderChoice => {
      return { decoder: "scaled", eighths, costBytes: scaledCostBytes(header, compressedBytes, eighths) };
    });
  const jpegJs: DecoderChoice = { decoder: "jpeg-js", eighths: 8, costBytes: jpegJsCostBytes(header) };
  return [
    ...(needs.withoutJpegJs ? [] : [jpegJs]),
    ...scaled,
    { decoder: "dc-only", eighths: 1, costBytes: dcOnlyCostBytes(header) },
  ];
}

/** The least scale that covers the target; full size for an image that is enlarged. */
function leastScale({ width, height }: Size, target: Size): Eighths {
  const covers = (eighths: Eighths) =>
    width * eighths >= 8 * target.width && height * eighths >= 8 * target.height;
  return ([1, 2, 4] as const).find(covers) ?? 8;
}

/** The errors of the WebP decoder. */
import { ClassifierError } from "../../errors.ts";

/** Builds the error for a broken file. */
export function undecodable(detail: string): ClassifierError {
  return new ClassifierError({ code: "image_undecodable", detail });
}

/** Builds the error for an image of too many pixels, or whose decoding needs too many bytes. */
export function tooLarge(unit: "pixels" | "decode_bytes", measured: number, limit: number): ClassifierError {
  return new ClassifierError({ code: "image_too_large", unit, measured, limit });
}

/** The errors of the WebP decoder. */
import { ClassifierError } from "../../errors.ts";

/** Builds the error for a broken file. */
export function undecodable(detail: string): ClassifierError {
  return new ClassifierError({ code: "image_undecodable", detail });
}

/** Builds the error for an image that exceeds a limit. */
export function imageTooLarge(
  unit: "pixels" | "decode_bytes",
  measured: number,
  limit: number,
): ClassifierError {
  return new ClassifierError({ code: "image_too_large", unit, measured, limit });
}

/** The image argument of an RPC call. */
import type { ImageSource } from "../classifier/score.ts";
import { ClassifierError } from "../errors.ts";
import { checkLimit } from "../image/rgb-image.ts";
import { maxImageBytesCeiling } from "../limits.ts";

/** Memory of an image as an array of numbers, over its bytes: V8 takes 8 bytes per number, and the image takes 1. */
export const numberArrayFactor = 9;

/**
 * A source for the bytes that a caller passed, or for an array of numbers as Workers AI takes it.
 * @param image what the caller passed: any value
 * @throws ClassifierError invalid_parameter, empty_body, image_too_large
 */
export function argumentSource(image: unknown, maxImageBytes: number): ImageSource {
  if (Array.isArray(image)) return numbersSource(image, maxImageBytes);
  const bytes = image instanceof ArrayBuffer ? new Uint8Array(image) : image;
  if (!(bytes instanceof Uint8Array)) throw invalid(kindOf(image));
  checkSize(bytes.length, maxImageBytes);
  // RPC transfers a view together with the whole buffer behind it.
  const maxBytes = bytes.buffer.byteLength;
  checkLimit("bytes", maxBytes, maxImageBytesCeiling);
  return {
    maxBytes,
    isBorrowed: true,
    read: async (permit, signal) => {
      await permit.growTo(maxBytes, signal);
      return { images: [bytes] };
    },
  };
}

function numbersSource(numbers: readonly unknown[], maxImageBytes: number): ImageSource {
  checkSize(numbers.length, Math.min(maxImageBytes, Math.floor(maxImageBytesCeiling / numberArrayFactor)));
  const maxBytes = numberArrayFactor * numbers.length;
  return {
    maxBytes,
    isBorrowed: true,
    read: async (permit, signal) => {
      await permit.growTo(maxBytes, signal);
      return { images: [Uint8Array.from(numbers, byteOf)] };
    },
  };
}

function byteOf(value: unknown): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 255) return value;
  throw invalid(`an array with ${String(value)} in it`);
}

function checkSize(bytes: number, limit: number): void {
  if (bytes === 0) throw new ClassifierError({ code: "empty_body" });
  checkLimit("bytes", bytes, limit);
}

function kindOf(value: unknown): string {
  return value === null ? "null" : typeof value === "object" ? value.constructor?.name : typeof value;
}

function invalid(value: string | undefined): ClassifierError {
  const expected =
    "the bytes of an image: a Uint8Array, an ArrayBuffer, or for run an array of integers 0 to 255";
  return new ClassifierError({ code: "invalid_parameter", parameter: "image", value: value ?? "", expected });
}

/** The image that came as an argument: its type checked, its memory counted. Pure. */

import { tooManyBytes } from "../bytes/read-stream.ts";
import { ClassifierError } from "../errors.ts";
import { maxImageBytesCeiling, numberArrayFactor } from "../limits.ts";

export interface ImageArgument {
  /** Bytes of memory that the argument and what is made of it occupy. */
  readonly memoryBytes: number;
  /** The image: the caller's own memory where it is bytes already. Throws ClassifierError invalid_parameter. */
  bytes(): Uint8Array;
}

/**
 * @param image what the caller gave: anything
 * @throws ClassifierError invalid_parameter, empty_body, image_too_large
 */
export function imageArgument(image: unknown, maxImageBytes: number): ImageArgument {
  if (Array.isArray(image)) return numbersArgument(image, maxImageBytes);
  const bytes = image instanceof ArrayBuffer ? new Uint8Array(image) : image;
  if (!(bytes instanceof Uint8Array)) throw invalid(kindOf(image));
  checkSize(bytes.length, maxImageBytes);
  const memoryBytes = bytes.buffer.byteLength;
  if (memoryBytes > maxImageBytesCeiling) throw tooManyBytes(memoryBytes, maxImageBytesCeiling);
  return { memoryBytes, bytes: () => bytes };
}

function numbersArgument(numbers: readonly unknown[], maxImageBytes: number): ImageArgument {
  const most = Math.min(maxImageBytes, Math.floor(maxImageBytesCeiling / numberArrayFactor));
  checkSize(numbers.length, most);
  return {
    memoryBytes: numberArrayFactor * numbers.length,
    bytes: () =>
      Uint8Array.from(numbers, (value) => {
        if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 255) {
          return value as number;
        }
        throw invalid(`an array with ${String(value)} in it`);
      }),
  };
}

function checkSize(bytes: number, limit: number): void {
  if (bytes === 0) throw new ClassifierError({ code: "empty_body" });
  if (bytes > limit) throw tooManyBytes(bytes, limit);
}

function kindOf(value: unknown): string {
  return value === null ? "null" : typeof value === "object" ? value.constructor?.name : typeof value;
}

function invalid(value: string | undefined): ClassifierError {
  const expected =
    "the bytes of a JPEG: a Uint8Array, an ArrayBuffer, or for run an array of integers 0 to 255";
  return new ClassifierError({ code: "invalid_parameter", parameter: "image", value: value ?? "", expected });
}

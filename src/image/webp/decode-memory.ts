/** Owns the arrays of one decode: counts their bytes, refuses more than the limit, and frees them together. */
import { freeBytes } from "../../bytes/byte-arrays.ts";
import { checkLimit } from "../rgb-image.ts";

type DecodeArray = Parameters<typeof freeBytes>[0];

interface ArrayType<T> {
  readonly BYTES_PER_ELEMENT: number;
  new (length: number): T;
}

/** The memory of one decode. A decode allocates all its arrays here before its first row. */
export class DecodeMemory {
  /** Bytes of all arrays so far. */
  usedBytes = 0;
  readonly #limitBytes: number;
  readonly #arrays: DecodeArray[] = [];

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /**
   * Allocates an array of zeros.
   * @throws ClassifierError image_too_large (decode_bytes), before it allocates anything
   */
  allocate<T extends DecodeArray>(Type: ArrayType<T>, length: number): T {
    const bytes = this.usedBytes + length * Type.BYTES_PER_ELEMENT;
    checkLimit("decode_bytes", bytes, this.#limitBytes);
    this.usedBytes = bytes;
    const array = new Type(length);
    this.#arrays.push(array);
    return array;
  }

  /** Frees all arrays. They are empty afterwards. */
  free(): void {
    for (const array of this.#arrays) freeBytes(array);
  }
}

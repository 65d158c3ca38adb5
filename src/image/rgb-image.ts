/** Decoded pixels: 8-bit RGB, interleaved, rows from the top; data.length is width * height * 3. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array | Uint8ClampedArray;
}

/** Size of a decoded image over the file's, in eighths: the sizes of the inverse DCT that decoders offer. */
export type Eighths = 1 | 2 | 4 | 8;

/** Pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

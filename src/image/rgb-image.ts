/** Decoded pixels: 8-bit RGB, interleaved, rows from the top; data.length is width * height * 3. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

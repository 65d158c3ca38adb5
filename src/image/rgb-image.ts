/** Decoded pixels. */

/** Pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** A whole image: 8-bit RGB, interleaved, rows from the top; data.length is width * height * 3. */
export interface RgbImage extends Size {
  readonly data: Uint8Array | Uint8ClampedArray;
}

/** An image whose rows are computed one at a time, so that it never exists as a whole. */
export interface RgbRows extends Size {
  /**
   * Returns row `y` from the top: width * 3 bytes, RGB interleaved, valid until the next call. Rows can be skipped, but must
   * be read from the top down.
   */
  row(y: number): Uint8Array | Uint8ClampedArray;
}

/** The rows of a whole image. */
export function rowsOf({ width, height, data }: RgbImage): RgbRows {
  return { width, height, row: (y) => data.subarray(y * width * 3, (y + 1) * width * 3) };
}

/** Reads all rows into one image. */
export function collectRows(rows: RgbRows): RgbImage {
  const { width, height } = rows;
  const data = new Uint8ClampedArray(width * height * 3);
  for (let y = 0; y < height; y++) data.set(rows.row(y), y * width * 3);
  return { width, height, data };
}

/** Size of a decoded image in eighths of the file's size: the sizes of inverse DCT that the decoder has. */
export type Eighths = 1 | 2 | 4 | 8;

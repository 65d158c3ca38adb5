/**
 * Converts rows of YCbCr 4:2:0 to RGB exactly as libwebp does by default: chroma is interpolated by a triangle filter
 * ("fancy upsampling"), and the conversion of ITU-R BT.601 uses fixed point.
 */

/** One row of luma: the samples from index `at`. */
export interface LumaRow {
  readonly samples: Uint8ClampedArray;
  readonly at: number;
}

/** The two rows of chroma around a row of pixels: their first indices, in both components. */
export interface ChromaRows {
  readonly blue: Uint8ClampedArray;
  readonly red: Uint8ClampedArray;
  /** The row that contains the row of pixels. */
  readonly near: number;
  /** Its neighbour on the side of the row of pixels. The same row at the border of the image. */
  readonly far: number;
}

/** Writes `width` pixels of interleaved RGB, from index `at` of `out` on. */
export function writeRgbRow(
  luma: LumaRow,
  chroma: ChromaRows,
  width: number,
  out: Uint8ClampedArray,
  at: number,
): void {
  const { samples } = luma;
  const { blue, red, near, far } = chroma;
  const last = (width - 1) >> 1;
  let from = luma.at;
  let to = at;
  let blueBefore = 3 * blue[near]! + blue[far]!;
  let redBefore = 3 * red[near]! + red[far]!;
  let blueHere = blueBefore;
  let redHere = redBefore;
  for (let i = 0; i <= last; i++) {
    const next = i < last ? i + 1 : i;
    const blueAfter = 3 * blue[near + next]! + blue[far + next]!;
    const redAfter = 3 * red[near + next]! + red[far + next]!;
    writePixel(
      out,
      to,
      samples[from]!,
      (3 * blueHere + blueBefore + 8) >> 4,
      (3 * redHere + redBefore + 8) >> 4,
    );
    // The last pixel of an odd row has no right neighbour in its chroma sample.
    if (2 * i + 1 < width) {
      const blueness = (3 * blueHere + blueAfter + 8) >> 4;
      const redness = (3 * redHere + redAfter + 8) >> 4;
      writePixel(out, to + 3, samples[from + 1]!, blueness, redness);
    }
    from += 2;
    to += 6;
    blueBefore = blueHere;
    redBefore = redHere;
    blueHere = blueAfter;
    redHere = redAfter;
  }
}

/**
 * libwebp's factors: those of BT.601 for luma of 16 to 235, times 2^14. Products lose 8 bits before they are added, and
 * sums 6 bits at the end. The constants contain the offsets of luma and chroma, and the rounding.
 */
function writePixel(out: Uint8ClampedArray, to: number, y: number, blueness: number, redness: number): void {
  const luma = (19077 * y) >> 8;
  out[to] = (luma + ((26149 * redness) >> 8) - 14234) >> 6;
  out[to + 1] = (luma - ((6419 * blueness) >> 8) - ((13320 * redness) >> 8) + 8708) >> 6;
  out[to + 2] = (luma + ((33050 * blueness) >> 8) - 17685) >> 6;
}

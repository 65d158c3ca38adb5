/** Arranges the inputs of a convolution for the matrix products. Maps are u8 [rows][columns][channels]. */

/**
 * Copies a map into a larger one, and fills the border with the zero point.
 * @param left bytes from the start of a row of `to` to the copy
 */
export function pad(
  from: usize,
  fromRow: usize,
  rows: i32,
  to: usize,
  toRow: usize,
  toRows: i32,
  top: i32,
  left: usize,
  zero: i32,
): void {
  memory.fill(to, <u8>zero, toRow * <usize>toRows);
  to += <usize>top * toRow + left;
  for (; rows > 0; rows--) {
    memory.copy(to, from, fromRow);
    from += fromRow;
    to += toRow;
  }
}

/**
 * Writes one row of int16 for each output pixel: all values under the filter, less the zero point (im2col). The last
 * values of a row, up to `depth`, are undefined. Reads and writes up to 14 bytes beyond the last value.
 * @param from the filter's position for the first output pixel
 * @param fromRow bytes between rows of the map
 * @param run bytes of one row under the filter: its width times the channels, which lie side by side
 * @param step bytes between neighbouring positions of the filter in a row
 * @param stride rows between neighbouring positions of the filter
 * @param rows rows of output pixels
 * @param columns output pixels in a row
 * @param height rows of the filter
 * @param depth values in a row of `a`
 */
export function gather(
  from: usize,
  fromRow: usize,
  run: usize,
  step: usize,
  stride: i32,
  a: usize,
  rows: i32,
  columns: i32,
  height: i32,
  depth: i32,
  zero: i32,
): void {
  const zeros = i16x8.splat(<i16>zero);
  for (; rows > 0; rows--) {
    let corner = from;
    for (let x = 0; x < columns; x++) {
      let filterRow = corner;
      let to = a;
      for (let y = 0; y < height; y++) {
        for (let i: usize = 0; i < run; i += 8) {
          v128.store(to + (i << 1), i16x8.sub(v128.load8x8_u(filterRow + i), zeros));
        }
        to += run << 1;
        filterRow += fromRow;
      }
      a += (<usize>depth) << 1;
      corner += step;
    }
    from += fromRow * <usize>stride;
  }
}

/** Widens int8 to int16. `count` is a multiple of 16. */
export function widen(from: usize, to: usize, count: usize): void {
  for (const end = from + count; from < end; from += 16) {
    v128.store(to, v128.load8x8_s(from));
    v128.store(to, v128.load8x8_s(from, 8), 16);
    to += 32;
  }
}

/** The eight Exif orientations, applied to a small square: no image is ever turned at full size. */
import type { Orientation } from "./exif.ts";

/** How pixels move: mirrors apply first, in the coordinates of the file; then rows and columns are swapped. */
export interface Turn {
  readonly mirrorX: boolean;
  readonly mirrorY: boolean;
  readonly swapAxes: boolean;
}

const turn = (mirrorX: boolean, mirrorY: boolean, swapAxes: boolean): Turn => ({
  mirrorX,
  mirrorY,
  swapAxes,
});

/** What turns the pixels of a file upright (Exif 2.32, tag 0x0112: the positions of row 0 and column 0). */
export const turns: Readonly<Record<Orientation, Turn>> = {
  1: turn(false, false, false),
  2: turn(true, false, false),
  3: turn(true, true, false),
  4: turn(false, true, false),
  5: turn(false, false, true),
  6: turn(false, true, true),
  7: turn(true, true, true),
  8: turn(true, false, true),
};

/** Where a row of pixels goes in a square: index of its first pixel, and the step from one pixel to the next. */
export interface RowPlace {
  readonly start: number;
  readonly step: number;
}

/** Returns where row `y` of a square of `side` pixels goes when the square is turned. */
export function turnedRow({ mirrorX, mirrorY, swapAxes }: Turn, side: number, y: number): RowPlace {
  const [alongX, alongY] = swapAxes ? [side, 1] : [1, side];
  const row = mirrorY ? side - 1 - y : y;
  return {
    start: row * alongY + (mirrorX ? (side - 1) * alongX : 0),
    step: mirrorX ? -alongX : alongX,
  };
}

/** The eight Exif orientations as what they do to a small square: nothing is ever turned at full size. Pure. */
import type { Orientation } from "./exif.ts";

/** Mirrors come first, in the coordinates of the file; then rows and columns change places. */
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

/** What brings the file's pixels upright (Exif 2.32, tag 0x0112: where row 0 and column 0 are to be seen). */
const turns: Readonly<Record<Orientation, Turn>> = {
  1: turn(false, false, false),
  2: turn(true, false, false),
  3: turn(true, true, false),
  4: turn(false, true, false),
  5: turn(false, false, true),
  6: turn(false, true, true),
  7: turn(true, true, true),
  8: turn(true, false, true),
};

export function turnOf(orientation: Orientation): Turn {
  return turns[orientation];
}

/** Where row `y` of a square of `side` pixels goes: its first pixel's index, and the step from pixel to pixel. */
export function turnedRow(
  { mirrorX, mirrorY, swapAxes }: Turn,
  side: number,
  y: number,
): { start: number; step: number } {
  const [alongX, alongY] = swapAxes ? [side, 1] : [1, side];
  const row = mirrorY ? side - 1 - y : y;
  return {
    start: row * alongY + (mirrorX ? (side - 1) * alongX : 0),
    step: mirrorX ? -alongX : alongX,
  };
}

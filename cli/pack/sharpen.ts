/**
 * Sharpened images for the calibration. A network may respond to strong repeated detail, such as the bulbs of a
 * scoreboard, with activations a hundred times as large as to other photographs, and a set of hundreds may have no such
 * photograph. Sharpening brings many photographs closer to it.
 */
import type { Preprocessing } from "../../src/model/manifest.ts";

const amount = 2;
/** Of the square over which the mean is taken. */
const radius = 2;

/**
 * Unsharp mask: adds twice the difference from the mean of the 5x5 pixels around. The result stays between black and
 * white.
 * @param tensor [3, crop, crop], normalised.
 */
export function sharpened(tensor: Float32Array, { crop, mean, std }: Preprocessing): Float32Array {
  const result = new Float32Array(tensor.length);
  const columns = new Float64Array(crop);
  for (const c of [0, 1, 2] as const) {
    const plane = tensor.subarray(c * crop * crop, (c + 1) * crop * crop);
    const [black, white] = [-mean[c] / std[c], (1 - mean[c]) / std[c]];
    for (let y = 0; y < crop; y++) {
      const [top, bottom] = [Math.max(0, y - radius), Math.min(crop - 1, y + radius)];
      columns.fill(0);
      for (let row = top; row <= bottom; row++) {
        for (let x = 0; x < crop; x++) columns[x]! += plane[row * crop + x]!;
      }
      for (let x = 0; x < crop; x++) {
        const [left, right] = [Math.max(0, x - radius), Math.min(crop - 1, x + radius)];
        let sum = 0;
        for (let column = left; column <= right; column++) sum += columns[column]!;
        const value = plane[y * crop + x]!;
        const around = sum / ((bottom - top + 1) * (right - left + 1));
        const sharp = value + amount * (value - around);
        result[(c * crop + y) * crop + x] = Math.max(black, Math.min(white, sharp));
      }
    }
  }
  return result;
}

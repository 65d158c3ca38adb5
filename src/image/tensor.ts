/** From pixels to the model's input: float32, CHW, normalised per channel. */
import type { Preprocessing } from "../model/manifest.ts";
import type { RowPlace } from "./orientation.ts";
import type { RgbImage } from "./rgb-image.ts";

/** One table per preprocessing, computed once. */
const tables = new WeakMap<Preprocessing, Float32Array>();

/** (level / 255 - mean) / std of 3 channels of 256 levels, [3, 256]. */
export function normalisationTable(preprocessing: Preprocessing): Float32Array {
  const known = tables.get(preprocessing);
  if (known) return known;
  const { mean, std } = preprocessing;
  const table = Float32Array.from({ length: 3 * 256 }, (_, i) => {
    const channel = i >> 8;
    return ((i & 255) / 255 - mean[channel]!) / std[channel]!;
  });
  tables.set(preprocessing, table);
  return table;
}

/**
 * Writes one row of RGB pixels into the three planes of `tensor`.
 * @param table of normalisationTable
 */
export function writeTensorRow(
  row: Uint8Array | Uint8ClampedArray,
  table: Float32Array,
  tensor: Float32Array,
  { start, step }: RowPlace,
): void {
  const planeLength = tensor.length / 3;
  for (let at = 0, to = start; at < row.length; at += 3, to += step) {
    tensor[to] = table[row[at]!]!;
    tensor[to + planeLength] = table[256 + row[at + 1]!]!;
    tensor[to + 2 * planeLength] = table[512 + row[at + 2]!]!;
  }
}

/**
 * Returns an image as [3, height, width], (level / 255 - mean) / std.
 * @param out receives the result, if given
 * @throws RangeError if `out` has another length
 */
export function toTensor(image: RgbImage, preprocessing: Preprocessing, out?: Float32Array): Float32Array {
  const tensor = tensorOf(3 * image.width * image.height, out);
  writeTensorRow(image.data, normalisationTable(preprocessing), tensor, { start: 0, step: 1 });
  return tensor;
}

/**
 * Returns `out`, or a new array if it is undefined.
 * @throws RangeError if `out` has another length, which is a mistake of the caller
 */
export function tensorOf(length: number, out: Float32Array | undefined): Float32Array {
  if (out && out.length !== length) {
    throw new RangeError(`The tensor has ${out.length} numbers; expected ${length}.`);
  }
  return out ?? new Float32Array(length);
}

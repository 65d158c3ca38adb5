/** Pixels to the model's input: float32, CHW, normalised per channel. Pure. */
import type { Preprocessing } from "../model/manifest.ts";
import type { RgbImage } from "./rgb-image.ts";

/** Normalised value of each channel and level: table[channel * 256 + level]. One per preprocessing, made once. */
const tables = new WeakMap<Preprocessing, Float32Array>();

/** (level / 255 - mean) / std for 3 channels of 256 levels, [3, 256]. */
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

/** Where a row goes in each plane: index of its first pixel, and the step from one pixel to the next. */
export interface RowPlace {
  readonly start: number;
  readonly step: number;
}

/** Writes one row of RGB pixels into the three planes of `tensor`, each `planeLength` long. */
export function writeTensorRow(
  row: ArrayLike<number>,
  width: number,
  table: Float32Array,
  tensor: Float32Array,
  { start, step }: RowPlace,
  planeLength: number,
): void {
  for (let x = 0, at = 0, to = start; x < width; x++, at += 3, to += step) {
    tensor[to] = table[row[at]!]!;
    tensor[to + planeLength] = table[256 + row[at + 1]!]!;
    tensor[to + 2 * planeLength] = table[512 + row[at + 2]!]!;
  }
}

/** The image as [3, height, width], (level / 255 - mean) / std. `out`, if given, must have just that many numbers. */
export function toTensor(image: RgbImage, preprocessing: Preprocessing, out?: Float32Array): Float32Array {
  const { width, height, data } = image;
  const tensor = tensorOf(width, height, out);
  const table = normalisationTable(preprocessing);
  writeTensorRow(data, width * height, table, tensor, { start: 0, step: 1 }, width * height);
  return tensor;
}

/** `out` when it fits [3, height, width], else a new array. Throws RangeError for another length: the caller's mistake, never the image's. */
export function tensorOf(width: number, height: number, out: Float32Array | undefined): Float32Array {
  const length = 3 * width * height;
  if (out && out.length !== length) {
    throw new RangeError(`The tensor has ${out.length} numbers; expected ${length}.`);
  }
  return out ?? new Float32Array(length);
}

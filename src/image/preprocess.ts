/** From the bytes or pixels of an image to the model's input tensor, as the pack's manifest specifies: resize, crop, turn upright, normalise. */

import type { Preprocessing } from "../model/manifest.ts";
import { decodeImage } from "./decode.ts";
import { type Orientation, type RowPlace, turnedRow, turns, uprightSize } from "./orientation.ts";
import { type Axis, Resampler, resamplerBytes } from "./resample.ts";
import {
  checkLimit,
  type DecodedFrame,
  type DecodeLimits,
  type DecodeScale,
  type Eighths,
  pushRows,
  type RgbImage,
  type RowSink,
  rowsOf,
  type Size,
} from "./rgb-image.ts";

/** An image as the model takes it. */
export interface ImageTensor {
  /** [3, crop, crop], float32. */
  readonly tensor: Float32Array;
  /** Pixels of the whole image as displayed: after Exif's orientation. */
  readonly width: number;
  readonly height: number;
  /** How the image was decoded, for the log. */
  readonly decode: DecodeScale;
}

/**
 * Decodes and preprocesses an image. The decoded image never exists as a whole.
 * @param signal stops a decode that waits between two pieces of its data; `bytes` are not read afterwards
 * @throws ClassifierError as decodeImage does; the reason of `signal`
 */
export async function imageToTensor(
  bytes: Uint8Array,
  preprocessing: Preprocessing,
  limits: DecodeLimits,
  signal?: AbortSignal,
): Promise<ImageTensor> {
  const targetOf = (fullSize: Size) => resizedSize(fullSize, preprocessing);
  const sinkFor = (frame: DecodedFrame) => tensorSink(frame.size, preprocessing, frame);
  const { frame, sink } = await decodeImage(bytes, targetOf, limits, sinkFor, signal);
  const { decoder, eighths, costBytes, fullSize, orientation } = frame;
  return {
    tensor: sink.tensor,
    ...uprightSize(fullSize, orientation),
    decode: { decoder, eighths, costBytes },
  };
}

/**
 * Resizes, crops to the centre, turns upright and normalises in one pass.
 * @param out receives the result, if given; must have its length
 * @returns [3, crop, crop], float32
 */
export function preprocess(
  image: RgbImage,
  preprocessing: Preprocessing,
  out?: Float32Array,
  view: View = plainView(image),
): Float32Array {
  const sink = tensorSink(image, preprocessing, view, out);
  pushRows(rowsOf(image), sink);
  return sink.tensor;
}

/** Size in pixels of the resized image, before the crop. */
export function resizedSize({ width, height }: Size, { resize, size }: Preprocessing): Size {
  if (resize === "stretch") return { width: size, height: size };
  return width <= height
    ? { width: size, height: roundHalfToEven((size * height) / width) }
    : { width: roundHalfToEven((size * width) / height), height: size };
}

/** Rounds like Python, which the reference uses: 256.5 becomes 256, while Math.round returns 257. */
function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  return value - floor === 0.5 ? floor + (floor % 2) : Math.round(value);
}

/** What part of an image was decoded, and its orientation. */
export interface View {
  /** Size of the whole image, of which `eighths` were decoded. The last row and column can be a part of a pixel. */
  readonly fullSize: Size;
  readonly eighths: Eighths;
  readonly orientation: Orientation;
}

/** The view of an image that was decoded at full size and is upright. */
export function plainView({ width, height }: Size): View {
  return { fullSize: { width, height }, eighths: 8, orientation: 1 };
}

/** Receives a row of the cropped image, RGB interleaved, and its place in the upright square. The array is reused. */
type PlacedRowWriter = (row: Uint8ClampedArray, place: RowPlace) => void;

/**
 * Bytes of the arrays that resize one image. Images with sides of up to 65,535 pixels, as all JPEGs have, need at most
 * half. Only `stretch` exceeds it, with images that are very narrow and have far more rows than any photograph.
 */
export const maxResamplerBytes = 2 * 1024 * 1024;

/**
 * Makes a Resampler that keeps the centre square of the upright image: `crop` rows of `crop` pixels.
 * @param size of the image whose rows are pushed
 * @throws ClassifierError image_too_large (decode_bytes), before anything is allocated
 */
function cropResampler(
  size: Size,
  preprocessing: Preprocessing,
  view: View,
  writeRow: PlacedRowWriter,
): Resampler {
  const { fullSize, eighths } = view;
  const { crop } = preprocessing;
  const turn = turns[view.orientation];
  const square = { width: crop, height: crop };
  const resized = resizedSize(fullSize, preprocessing);
  const axis = (side: "width" | "height", mirrored: boolean): Axis => ({
    sourceLength: size[side],
    extent: (fullSize[side] * eighths) / 8,
    resizedLength: resized[side],
    from: cropStart(resized[side], crop, mirrored),
    length: crop,
  });
  const [horizontal, vertical] = [axis("width", turn.mirrorX), axis("height", turn.mirrorY)];
  const measured = resamplerBytes(horizontal, vertical);
  checkLimit("decode_bytes", measured, maxResamplerBytes);
  return new Resampler(horizontal, vertical, (y, row) => writeRow(row, turnedRow(turn, square, y)));
}

/** Makes a sink that turns the rows of an image into the model's input. */
function tensorSink(
  size: Size,
  preprocessing: Preprocessing,
  view: View,
  out?: Float32Array,
): RowSink & { readonly tensor: Float32Array } {
  const tensor = tensorOf(3 * preprocessing.crop ** 2, out);
  const table = normalisationTable(preprocessing);
  const resampler = cropResampler(size, preprocessing, view, (row, place) =>
    writeTensorRow(row, table, tensor, place),
  );
  return Object.assign(resampler, { tensor });
}

/** Resizes, keeps the centre square and turns it upright: an image of crop x crop pixels, for tools and tests. */
export function resizeAndCrop(
  image: RgbImage,
  preprocessing: Preprocessing,
  view: View = plainView(image),
): RgbImage {
  const { crop } = preprocessing;
  const data = new Uint8Array(crop * crop * 3);
  const sink = cropResampler(image, preprocessing, view, (row, { start, step }) => {
    for (let x = 0; x < crop; x++) data.set(row.subarray(x * 3, x * 3 + 3), (start + x * step) * 3);
  });
  pushRows(rowsOf(image), sink);
  return { width: crop, height: crop, data };
}

/**
 * The crop starts at floor(resized / 2) - floor(crop / 2), as in imagenet_preprocess.py of the model zoo. In a mirrored
 * image, it starts at this distance from the other end.
 */
function cropStart(resizedLength: number, crop: number, mirrored: boolean): number {
  const start = Math.floor(resizedLength / 2) - Math.floor(crop / 2);
  return mirrored ? resizedLength - crop - start : start;
}

/** One table per preprocessing, computed once. */
const tables = new WeakMap<Preprocessing, Float32Array>();

/** (level / 255 - mean) / std of 3 channels of 256 levels, [3, 256]. */
function normalisationTable(preprocessing: Preprocessing): Float32Array {
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
function writeTensorRow(
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
function tensorOf(length: number, out: Float32Array | undefined): Float32Array {
  if (out && out.length !== length) {
    throw new RangeError(`The tensor has ${out.length} numbers; expected ${length}.`);
  }
  return out ?? new Float32Array(length);
}

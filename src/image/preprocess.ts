/** JPEG bytes or pixels to the model's input tensor, as the pack's manifest describes it. Pure. */
import type { Preprocessing } from "../model/manifest.ts";
import type { DecodeScale } from "./choose-scale.ts";
import { type DecodeLimits, decodeJpeg } from "./decode.ts";
import { turnedRow, turnOf } from "./orientation.ts";
import { plainView, resizeAndCropRows, resizedSize, type View } from "./resize.ts";
import { type RgbImage, type RgbRows, rowsOf } from "./rgb-image.ts";
import { normalisationTable, tensorOf, writeTensorRow } from "./tensor.ts";

/**
 * Resizes, crops to the centre, turns upright and normalises in one pass.
 * @param out if given, has exactly the length of the result
 * @returns [3, crop, crop], float32
 */
export function preprocess(
  image: RgbImage,
  preprocessing: Preprocessing,
  out?: Float32Array,
  view: View = plainView(image),
): Float32Array {
  return preprocessRows(rowsOf(image), preprocessing, view, out);
}

/** preprocess() for an image that is made row by row. It takes the rows from the top, and only those that the crop needs. */
function preprocessRows(
  rows: RgbRows,
  preprocessing: Preprocessing,
  view: View,
  out?: Float32Array,
): Float32Array {
  const { crop } = preprocessing;
  const tensor = tensorOf(crop, crop, out);
  const table = normalisationTable(preprocessing);
  const turn = turnOf(view.orientation);
  resizeAndCropRows(rows, preprocessing, view, (y, row) => {
    writeTensorRow(row, crop, table, tensor, turnedRow(turn, crop, y), crop * crop);
  });
  return tensor;
}

/** An image as the model takes it. */
export interface ImageTensor {
  /** [3, crop, crop], float32. */
  readonly tensor: Float32Array;
  /** Pixels of the whole image as it is displayed: after Exif's orientation. */
  readonly width: number;
  readonly height: number;
  /** How it was decoded, for the log. */
  readonly decode: DecodeScale;
}

/** From JPEG bytes to tensor. The decoded image never exists as a whole. Throws what decodeJpeg throws. */
export function imageToTensor(
  bytes: Uint8Array,
  preprocessing: Preprocessing,
  limits: DecodeLimits,
  out?: Float32Array,
): ImageTensor {
  const targetOf = (fullSize: { width: number; height: number }) => resizedSize(fullSize, preprocessing);
  return decodeJpeg(bytes, targetOf, limits, (rows, frame) => {
    const { fullSize, orientation, eighths, costBytes } = frame;
    const tensor = preprocessRows(rows, preprocessing, frame, out);
    const { width, height } = turnOf(orientation).swapAxes
      ? { width: fullSize.height, height: fullSize.width }
      : fullSize;
    return { tensor, width, height, decode: { eighths, costBytes } };
  });
}

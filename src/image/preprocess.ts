/** From JPEG bytes or pixels to the model's input tensor, as the pack's manifest specifies. */
import type { Preprocessing } from "../model/manifest.ts";
import type { DecodeScale } from "./choose-scale.ts";
import { type DecodeLimits, decodeJpeg } from "./decode.ts";
import { turns } from "./orientation.ts";
import { plainView, resizeAndCropRows, resizedSize, type View } from "./resize.ts";
import { type RgbImage, type RgbRows, rowsOf } from "./rgb-image.ts";
import { normalisationTable, tensorOf, writeTensorRow } from "./tensor.ts";

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
  return preprocessRows(rowsOf(image), preprocessing, view, out);
}

/** Preprocesses an image that is decoded row by row. Reads only the rows that the crop needs. */
function preprocessRows(
  rows: RgbRows,
  preprocessing: Preprocessing,
  view: View,
  out?: Float32Array,
): Float32Array {
  const tensor = tensorOf(3 * preprocessing.crop ** 2, out);
  const table = normalisationTable(preprocessing);
  resizeAndCropRows(rows, preprocessing, view, (row, place) => writeTensorRow(row, table, tensor, place));
  return tensor;
}

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
 * Decodes and preprocesses a JPEG. The decoded image never exists as a whole.
 * @param out receives the tensor, if given; must have its length
 * @throws ClassifierError as decodeJpeg does
 */
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
    const { width, height } = turns[orientation].swapAxes
      ? { width: fullSize.height, height: fullSize.width }
      : fullSize;
    return { tensor, width, height, decode: { eighths, costBytes } };
  });
}

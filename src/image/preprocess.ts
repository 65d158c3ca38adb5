/** JPEG bytes or pixels to the model's input tensor, as the pack's manifest describes it. Pure. */
import { freeBytes } from "../free-bytes.ts";
import type { Preprocessing } from "../model/manifest.ts";
import type { DecoderChoice } from "./choose-decoder.ts";
import { type DecodeOptions, decodeJpeg } from "./decode.ts";
import { turnedRow, turnOf } from "./orientation.ts";
import { plainView, resizeAndCropRows, resizedSize, type View } from "./resize.ts";
import type { RgbImage } from "./rgb-image.ts";
import { normalisationTable, tensorOf, writeTensorRow } from "./tensor.ts";

/**
 * Resize, centre crop, turn upright and normalise in one pass: [3, crop, crop], float32. `out`, if given, has just that
 * length.
 */
export function preprocess(
  image: RgbImage,
  preprocessing: Preprocessing,
  out?: Float32Array,
  view: View = plainView(image),
): Float32Array {
  const { crop } = preprocessing;
  const tensor = tensorOf(crop, crop, out);
  const table = normalisationTable(preprocessing);
  const turn = turnOf(view.orientation);
  resizeAndCropRows(image, preprocessing, view, (y, row) => {
    writeTensorRow(row, crop, table, tensor, turnedRow(turn, crop, y), crop * crop);
  });
  return tensor;
}

export interface ImageTensor {
  /** [3, crop, crop], float32. */
  readonly tensor: Float32Array;
  /** Pixels of the whole image as it is displayed: after Exif's orientation. */
  readonly width: number;
  readonly height: number;
  /** How it was decoded, for the log. */
  readonly decode: DecoderChoice;
}

/** From JPEG bytes to tensor. Throws what decodeJpeg throws. */
export function imageToTensor(
  bytes: Uint8Array,
  preprocessing: Preprocessing,
  options: DecodeOptions,
  out?: Float32Array,
): ImageTensor {
  const decoded = decodeJpeg(bytes, (fullSize) => resizedSize(fullSize, preprocessing), options);
  const { image, fullSize, orientation, decoder, eighths, costBytes } = decoded;
  const tensor = preprocess(image, preprocessing, out, decoded);
  // The scaled decoder's pixels lie in its WASM memory, which goes as a whole.
  if (decoder !== "scaled") freeBytes(image.data);
  const { width, height } = turnOf(orientation).swapAxes
    ? { width: fullSize.height, height: fullSize.width }
    : fullSize;
  return { tensor, width, height, decode: { decoder, eighths, costBytes } };
}

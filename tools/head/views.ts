/**
 * One image as the model sees it, and its augmentations: mirrored, and four windows of it. Flips and crops are made of
 * the decoded pixels, before preprocessing; the plain view is, bit for bit, the tensor that the Worker makes.
 */
import { type DecodedImage, type DecodeOptions, decodeJpeg } from "../../src/image/decode.ts";
import { preprocess } from "../../src/image/preprocess.ts";
import { resizedSize } from "../../src/image/resize.ts";
import type { RgbImage } from "../../src/image/rgb-image.ts";
import type { Preprocessing } from "../../src/model/manifest.ts";

export const augmentations = ["none", "flip", "full"] as const;
export type Augmentation = (typeof augmentations)[number];

/** Share of each side that a window shows: less loses the object, more is hardly another image. */
const windowShare = 0.8;

/** Decoded once. @returns float32 [3, crop, crop] each, the plain image first. Throws what decodeJpeg throws. */
export function viewsOf(
  bytes: Uint8Array,
  preprocessing: Preprocessing,
  options: DecodeOptions,
  augmentation: Augmentation,
): Float32Array[] {
  const decoded = decodeJpeg(bytes, (fullSize) => resizedSize(fullSize, preprocessing), options);
  const { image } = decoded;
  const plain = preprocess(image, preprocessing, undefined, decoded);
  if (augmentation === "none") return [plain];
  const { crop } = preprocessing;
  const views = [plain, mirrored(plain, crop)];
  if (augmentation === "flip") return views;
  for (const [i, [right, bottom]] of [
    [0, 0],
    [1, 0],
    [0, 1],
    [1, 1],
  ].entries()) {
    const view = windowOf(decoded, right!, bottom!, preprocessing);
    // Every other window is mirrored: as much variety as with all of both, at half the price.
    views.push(i % 2 === 0 ? view : mirrored(view, crop));
  }
  return views;
}

function windowOf(
  decoded: DecodedImage,
  right: number,
  bottom: number,
  preprocessing: Preprocessing,
): Float32Array {
  const { image, eighths, orientation } = decoded;
  const width = Math.max(1, Math.round(image.width * windowShare));
  const height = Math.max(1, Math.round(image.height * windowShare));
  const cut = cutOut(image, right * (image.width - width), bottom * (image.height - height), width, height);
  const fullSize = { width: Math.ceil((width * 8) / eighths), height: Math.ceil((height * 8) / eighths) };
  return preprocess(cut, preprocessing, undefined, { fullSize, eighths, orientation });
}

function cutOut(image: RgbImage, left: number, top: number, width: number, height: number): RgbImage {
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const from = ((top + y) * image.width + left) * 3;
    data.set(image.data.subarray(from, from + width * 3), y * width * 3);
  }
  return { width, height, data };
}

/** A tensor [3, size, size] with its rows reversed. */
export function mirrored(tensor: Float32Array, size: number): Float32Array {
  const turned = tensor.slice();
  for (let start = 0; start < turned.length; start += size) turned.subarray(start, start + size).reverse();
  return turned;
}

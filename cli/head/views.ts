/**
 * Model inputs of one image and its augmentations: a mirror image and four crops. They are made from the decoded pixels,
 * before preprocessing. The plain view is, bit for bit, the tensor that the Worker makes.
 */
import { type DecodedFrame, type DecodeLimits, decodeJpeg } from "../../src/image/decode.ts";
import { preprocess } from "../../src/image/preprocess.ts";
import { resizedSize } from "../../src/image/resize.ts";
import { collectRows, type RgbImage, type Size } from "../../src/image/rgb-image.ts";
import type { Preprocessing } from "../../src/model/manifest.ts";

/** What is added to the plain view: nothing, its mirror image, or that and four crops. */
export const augmentations = ["none", "flip", "full"] as const;
export type Augmentation = (typeof augmentations)[number];

/** Share of each side that a crop keeps. Less may lose the object; more hardly changes the image. */
const cropShare = 0.8;

/**
 * Decodes an image once and makes its views.
 * @returns float32 [3, crop, crop] each, the plain view first.
 * @throws ClassifierError when the image cannot be decoded.
 */
export function viewsOf(
  bytes: Uint8Array,
  preprocessing: Preprocessing,
  limits: DecodeLimits,
  augmentation: Augmentation,
): Float32Array[] {
  const targetOf = (fullSize: Size) => resizedSize(fullSize, preprocessing);
  const [image, frame] = decodeJpeg(
    bytes,
    targetOf,
    limits,
    (rows, about) => [collectRows(rows), about] as const,
  );
  const plain = preprocess(image, preprocessing, undefined, frame);
  if (augmentation === "none") return [plain];
  const views = [plain, mirrored(plain, preprocessing.crop)];
  if (augmentation === "flip") return views;
  for (let corner = 0; corner < 4; corner++) {
    const view = cornerView(image, frame, corner & 1, corner >> 1, preprocessing);
    // Mirroring every other crop adds as much variety as mirroring all, at half the cost.
    views.push(corner % 2 === 0 ? view : mirrored(view, preprocessing.crop));
  }
  return views;
}

/** A crop at the left (0) or right (1) and at the top (0) or bottom (1). */
function cornerView(
  image: RgbImage,
  { eighths, orientation }: DecodedFrame,
  right: number,
  bottom: number,
  preprocessing: Preprocessing,
): Float32Array {
  const width = Math.max(1, Math.round(image.width * cropShare));
  const height = Math.max(1, Math.round(image.height * cropShare));
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
function mirrored(tensor: Float32Array, size: number): Float32Array {
  const turned = tensor.slice();
  for (let start = 0; start < turned.length; start += size) turned.subarray(start, start + size).reverse();
  return turned;
}

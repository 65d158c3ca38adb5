/**
 * Computes image features with the Worker's own pack, preprocessing and runtime, so that training matches serving, and
 * colour histograms to compare them with.
 */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { ClassifierError } from "../../src/errors.ts";
import { type DecodedFrame, decodeJpeg } from "../../src/image/jpeg/decode.ts";
import { preprocess, resizeAndCrop, resizedSize } from "../../src/image/preprocess.ts";
import { collectRows, type RgbImage } from "../../src/image/rgb-image.ts";
import { decodeLimits } from "../../src/limits.ts";
import type { Preprocessing } from "../../src/model/manifest.ts";
import { loadSession } from "../pack/evaluate.ts";
import type { LocalPack } from "../store/local-pack.ts";
import { type Progress, tracked } from "../terminal/progress.ts";
import { type Dataset, type Problem, readImage } from "./dataset.ts";
import type { Sample } from "./rows.ts";

/** What is added to the plain view of an image: nothing, its mirror image, or that and four crops. */
export const augmentations = ["none", "flip", "full"] as const;
/** One of {@link augmentations}. */
export type Augmentation = (typeof augmentations)[number];

/** Share of each side that a crop keeps. Less may lose the object; more hardly changes the image. */
const cropShare = 0.8;

/** Images on which the time is measured. */
const timedImages = 4;

/** Levels of each channel: 8 x 8 x 8 bins, as many numbers as ResNet34 has features. */
const levels = 8;

/** Finds the images that are not JPEG or cannot be decoded, before the slow work begins. */
export async function findUndecodable(
  dataset: Dataset,
  preprocessing: Preprocessing,
  progress: Progress,
): Promise<Problem[]> {
  const problems: Problem[] = [];
  for (const image of tracked(progress, "check", dataset.images)) {
    const bytes = await readImage(dataset, image);
    try {
      decode(bytes, preprocessing);
    } catch (error) {
      if (!(error instanceof ClassifierError)) throw error;
      problems.push({ file: image.file, reason: error.message, canSkip: true });
    }
  }
  return problems;
}

/**
 * Computes the features of every image.
 * @param onPace receives the seconds that one image takes, measured on the second to the fifth
 * @throws ClassifierError for a file that {@link findUndecodable} reports
 */
export async function embed(
  dataset: Dataset,
  pack: LocalPack,
  augmentation: Augmentation,
  progress: Progress,
  onPace: (secondsPerImage: number) => void = () => {},
): Promise<Sample[]> {
  const session = await loadSession(pack.manifest, (file) => readFile(path.join(pack.folder, file)));
  const samples: Sample[] = [];
  let startedMs = 0;
  try {
    for (const image of tracked(progress, "features", dataset.images)) {
      const bytes = await readImage(dataset, image);
      const views: Float32Array[] = [];
      const logits: Float32Array[] = [];
      for (const tensor of viewsOf(bytes, pack.manifest.preprocessing, augmentation)) {
        const outputs = await session.run(tensor);
        views.push(outputs.features.slice());
        logits.push(outputs.logits.slice());
      }
      samples.push({ ...image, views, logits });
      // The first image also compiles the code.
      if (samples.length === 1) startedMs = performance.now();
      if (samples.length === 1 + timedImages) onPace((performance.now() - startedMs) / 1000 / timedImages);
    }
  } finally {
    await session.release();
  }
  return samples;
}

/**
 * Describes the same images by their colours alone, as a baseline: if a head is hardly better, the features of the model
 * do not help on these images.
 */
export async function histogramSamples(
  dataset: Dataset,
  samples: readonly Sample[],
  preprocessing: Preprocessing,
): Promise<Sample[]> {
  const described: Sample[] = [];
  for (const sample of samples) {
    const { image, frame } = decode(await readImage(dataset, sample), preprocessing);
    described.push({ ...sample, views: [colourHistogram(resizeAndCrop(image, preprocessing, frame))] });
  }
  return described;
}

/** Returns [levels ** 3]: square roots of the shares, so that Euclidean distances are Hellinger's. */
function colourHistogram({ data }: RgbImage): Float32Array {
  const counts = new Float32Array(levels ** 3);
  const levelOf = (value: number) => (value * levels) >> 8;
  for (let i = 0; i < data.length; i += 3) {
    counts[(levelOf(data[i]!) * levels + levelOf(data[i + 1]!)) * levels + levelOf(data[i + 2]!)]! += 1;
  }
  const pixels = data.length / 3;
  return counts.map((count) => Math.sqrt(count / pixels));
}

/**
 * Makes the model inputs of one image, float32 [3, crop, crop] each. The plain view comes first: it is, bit for bit, the
 * tensor that the Worker makes. The others are made from the decoded pixels, before preprocessing.
 */
function viewsOf(
  bytes: Uint8Array,
  preprocessing: Preprocessing,
  augmentation: Augmentation,
): Float32Array[] {
  const { image, frame } = decode(bytes, preprocessing);
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

function decode(bytes: Uint8Array, preprocessing: Preprocessing): { image: RgbImage; frame: DecodedFrame } {
  return decodeJpeg(
    bytes,
    (fullSize) => resizedSize(fullSize, preprocessing),
    decodeLimits,
    (rows, frame) => ({ image: collectRows(rows), frame }),
  );
}

/** Crops at the left (0) or right (1) and at the top (0) or bottom (1). */
function cornerView(
  image: RgbImage,
  { eighths, orientation }: DecodedFrame,
  right: number,
  bottom: number,
  preprocessing: Preprocessing,
): Float32Array {
  const width = Math.max(1, Math.round(image.width * cropShare));
  const height = Math.max(1, Math.round(image.height * cropShare));
  const [left, top] = [right * (image.width - width), bottom * (image.height - height)];
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const from = ((top + y) * image.width + left) * 3;
    data.set(image.data.subarray(from, from + width * 3), y * width * 3);
  }
  const fullSize = { width: Math.ceil((width * 8) / eighths), height: Math.ceil((height * 8) / eighths) };
  return preprocess({ width, height, data }, preprocessing, undefined, { fullSize, eighths, orientation });
}

/** Returns a tensor [3, size, size] with its rows reversed. */
function mirrored(tensor: Float32Array, size: number): Float32Array {
  const turned = tensor.slice();
  for (let start = 0; start < turned.length; start += size) turned.subarray(start, start + size).reverse();
  return turned;
}

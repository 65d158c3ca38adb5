/**
 * Computes image features with the Worker's own pack and preprocessing, so that training matches serving, and colour
 * histograms to compare them with.
 */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { ClassifierError } from "../../src/errors.ts";
import { decodeImage } from "../../src/image/decode.ts";
import { preprocess, resizeAndCrop, resizedSize } from "../../src/image/preprocess.ts";
import { type DecodedFrame, type RgbImage, RowCollector, type Size } from "../../src/image/rgb-image.ts";
import { decodeLimits } from "../../src/limits.ts";
import type { ModelOutput, ModelSession } from "../../src/model/engine.ts";
import type { Preprocessing } from "../../src/model/manifest.ts";
import type { Runtime } from "../../src/model/runtime.ts";
import { onnxRuntimeEngine } from "../../src/model/sharded-session.ts";
import { loadSession } from "../pack/evaluate.ts";
import { spreadIndices } from "../pack/images.ts";
import { nativeRuntime } from "../pack/native.ts";
import type { LocalPack } from "../store/local-pack.ts";
import { type Progress, tracked } from "../terminal/progress.ts";
import { type Dataset, type LabelledImage, type Problem, readImage } from "./dataset.ts";
import type { Sample } from "./rows.ts";

/** What is added to the plain view of an image: nothing, its mirror image, or that and four crops. */
export const augmentations = ["none", "flip", "full"] as const;
/** One of {@link augmentations}. */
export type Augmentation = (typeof augmentations)[number];

/** Share of each side that a crop keeps. Less may lose the object; more hardly changes the image. */
const cropShare = 0.8;

/** Images on which the runtimes are compared, and on which the time is measured. */
const firstImages = 5;

/** Largest relative difference of features and logits with which onnxruntime-node replaces the Worker's runtime. */
const maxDifference = 1e-4;

/** Levels of each channel: 8 x 8 x 8 bins, as many numbers as ResNet34 has features. */
const levels = 8;

/** Finds the files that the Worker cannot decode, before the slow work begins. */
export async function findUndecodable(
  dataset: Dataset,
  preprocessing: Preprocessing,
  progress: Progress,
): Promise<Problem[]> {
  const problems: Problem[] = [];
  for (const image of tracked(progress, "check", dataset.images)) {
    const bytes = await readImage(dataset, image);
    try {
      await decode(bytes, preprocessing);
    } catch (error) {
      if (!(error instanceof ClassifierError)) throw error;
      problems.push({ file: image.file, reason: error.message, canSkip: true });
    }
  }
  return problems;
}

/** How to compute features. */
export interface EmbedOptions {
  readonly augmentation: Augmentation;
  readonly progress: Progress;
  /** Called once, after the first images. */
  readonly onPace: (pace: Pace) => void;
  /** Tests replace it. Default: onnxruntime-node. */
  readonly native?: Runtime;
}

/** Which ONNX Runtime computes the features, and how fast. */
export interface Pace {
  /** onnxruntime-web is the Worker's. */
  readonly runtime: "onnxruntime-node" | "onnxruntime-web";
  /** {@link relativeDifference} of the two runtimes' features and logits: the largest one. */
  readonly difference: number;
  /** Decoding included. The first image, which also compiles the code, is not counted. */
  readonly secondsPerImage: number;
}

/** Says why the Worker's runtime computes the features. */
export function slowText(difference: number): string {
  return `onnxruntime-node differs by ${difference.toExponential(1)} from the Worker's runtime on this processor (at most ${maxDifference} is accepted): the Worker's, which is slower, computes the features`;
}

/**
 * Computes the features of every image: with onnxruntime-node if it agrees with the Worker's runtime on some of the images,
 * otherwise with the Worker's.
 * @throws ClassifierError for a file that {@link findUndecodable} reports
 */
export async function embed(
  dataset: Dataset,
  pack: LocalPack,
  { augmentation, progress, onPace, native = nativeRuntime }: EmbedOptions,
): Promise<{ readonly samples: Sample[]; readonly runtime: Pace["runtime"] }> {
  const { images } = dataset;
  const viewsIn = async (image: LabelledImage) =>
    viewsOf(await readImage(dataset, image), pack.manifest.preprocessing, augmentation);
  const compared = spreadIndices(images.length, firstImages).map((i) => viewsIn(images[i]!));
  const difference = await compareRuntimes(pack, native, (await Promise.all(compared)).flat());
  const isNative = difference <= maxDifference;
  const runtime = isNative ? "onnxruntime-node" : "onnxruntime-web";
  const samples = await withSession(pack, isNative ? native : undefined, async (session) => {
    const samples: Sample[] = [];
    let startedMs = performance.now();
    for (const image of tracked(progress, "features", images)) {
      const outputs = await runAll(session, await viewsIn(image));
      const views = outputs.map(({ features }) => features);
      samples.push({ ...image, views, logits: outputs.map(({ logits }) => logits) });
      if (samples.length === Math.min(firstImages, images.length)) {
        const timed = Math.max(1, samples.length - 1);
        onPace({ runtime, difference, secondsPerImage: (performance.now() - startedMs) / 1000 / timed });
      }
      if (samples.length === 1) startedMs = performance.now();
    }
    return samples;
  });
  return { samples, runtime };
}

/** Largest {@link relativeDifference} of the features and logits of any input between `native` and the Worker's runtime. */
function compareRuntimes(pack: LocalPack, native: Runtime, inputs: readonly Float32Array[]): Promise<number> {
  return withSession(pack, undefined, (worker) =>
    withSession(pack, native, async (fast) => {
      const [expected, actual] = [await runAll(worker, inputs), await runAll(fast, inputs)];
      const differences = expected.flatMap(({ features, logits }, i) => [
        relativeDifference(features, actual[i]!.features),
        relativeDifference(logits, actual[i]!.logits),
      ]);
      return Math.max(...differences);
    }),
  );
}

/** Loads a pack while `work` runs. @param runtime undefined: the Worker's */
async function withSession<T>(
  { manifest, folder }: LocalPack,
  runtime: Runtime | undefined,
  work: (session: ModelSession) => Promise<T>,
): Promise<T> {
  const engine = runtime && onnxRuntimeEngine(runtime);
  const session = await loadSession(manifest, (file) => readFile(path.join(folder, file)), engine);
  return work(session).finally(() => session.release());
}

/** Runs a model on each input. Copies the outputs, which may be views of the runtime's memory. */
async function runAll(session: ModelSession, inputs: readonly Float32Array[]): Promise<ModelOutput[]> {
  const outputs: ModelOutput[] = [];
  for (const input of inputs) {
    const { features, logits } = await session.run(input);
    outputs.push({ features: features.slice(), logits: logits.slice() });
  }
  return outputs;
}

/** Euclidean length of the difference of two vectors, as a share of the length of `expected`. */
function relativeDifference(expected: Float32Array, actual: Float32Array): number {
  const difference = Math.hypot(...expected.map((value, i) => value - actual[i]!));
  return difference === 0 ? 0 : difference / Math.hypot(...expected);
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
    const { image, frame } = await decode(await readImage(dataset, sample), preprocessing);
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
async function viewsOf(
  bytes: Uint8Array,
  preprocessing: Preprocessing,
  augmentation: Augmentation,
): Promise<Float32Array[]> {
  const { image, frame } = await decode(bytes, preprocessing);
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

async function decode(
  bytes: Uint8Array,
  preprocessing: Preprocessing,
): Promise<{ image: RgbImage; frame: DecodedFrame }> {
  const targetOf = (fullSize: Size) => resizedSize(fullSize, preprocessing);
  const decoded = await decodeImage(bytes, targetOf, decodeLimits, ({ size }) => new RowCollector(size));
  return { image: decoded.sink.image, frame: decoded.frame };
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

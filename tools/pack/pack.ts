/** From an .onnx file to a pack in a folder: read, fold, calibrate, quantise, cut, compare, write. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { maxShardBytes } from "../../src/limits.ts";
import { type Label, type Manifest, manifestFormat, type Preprocessing } from "../../src/model/manifest.ts";
import { readOnnx } from "../onnx/read.ts";
import { calibrate } from "./calibrate.ts";
import { packClassifier, sourceClassifier } from "./classifiers.ts";
import { type CuttableGraph, featuresName, logitsName } from "./emit.ts";
import { PackError } from "./errors.ts";
import { type Agreement, evaluate } from "./evaluate.ts";
import { floatGraph } from "./float-graph.ts";
import { predictHeapBytes, requireFit } from "./heap.ts";
import { type ImageSet, imagesFromFolder, syntheticImages } from "./images.ts";
import { classFromName, readLabels } from "./labels.ts";
import { quantisationReport } from "./quantisation-report.ts";
import { quantisedGraph } from "./quantised-graph.ts";
import { readResNet } from "./read-resnet.ts";
import { architecture, type ResNet } from "./resnet.ts";
import { chooseShards, layerBytesLimit, writeShard } from "./shard.ts";
import { assemblePack, type PackFacts, type PackFiles, writePack } from "./write-pack.ts";

/** `done` of `total` steps of `stage`. */
export type ProgressCallback = (stage: string, done: number, total: number) => void;

export interface PackOptions {
  /** The .onnx file. */
  file: string;
  /** The pack's folder; what is there is replaced. */
  out: string;
  name: string;
  precision: Manifest["precision"];
  /** Labels file; without one ImageNet's for 1000 classes, else `class 0`, `class 1` ... */
  labels?: string;
  /** Folder of photographs like those to classify. Without one synthetic pictures are used. */
  calibrateDir?: string;
  /** At most that many of its photographs, evenly spread. */
  calibrationImages?: number;
  /** Folder of photographs, other than those, on which the pack is compared with its source. */
  evaluateDir?: string;
  resize?: Preprocessing["resize"];
  /** Pixels of the resized side; without it input size * 256 / 224, as ImageNet models are trained. */
  resizeSize?: number;
  /** Height and width of the input where the file leaves them free; 224 without it. */
  inputSize?: number;
  /** Largest shard; a part that cannot be cut may be larger, up to 8 MiB. */
  shardBytes?: number;
  /** Writes the pack though it does not fit the Worker. */
  allowLarge?: boolean;
  licence?: string;
  url?: string;
}

export interface PackReport {
  folder: string;
  manifest: Manifest;
  architecture: string;
  agreement: Agreement;
  predictedHeapBytes: number;
  seconds: number;
}

/** So that no shard of ResNet34 exceeds 5 MB: smaller ones do not lower the WASM heap, larger ones raise it. */
export const defaultShardBytes = 5_000_000;
const defaultInputSize = 224;
/** Further photographs hardly change a range, and each costs a forward pass in float32. */
const defaultCalibrationImages = 500;
const syntheticCalibrationImages = 128;
/** Images of the comparison that the manifest reports. */
const evaluationImages = 200;

/** @throws PackError or OnnxError: a clear line for whoever asked for the pack. Nothing is written then. */
export async function packModel(
  options: PackOptions,
  progress: ProgressCallback = () => {},
): Promise<PackReport> {
  const started = performance.now();
  progress("read", 0, 1);
  const bytes = await readFile(options.file).catch((cause: unknown) => {
    throw new PackError(`The model ${options.file} cannot be read; expected an .onnx file.`, { cause });
  });
  const net = readResNet(readOnnx(bytes));
  progress("read", 1, 1);
  const shardBytes = checkShardBytes(options.shardBytes ?? defaultShardBytes);
  const preprocessing = choosePreprocessing(net, options);
  const labels = await readLabels(options.labels ?? null, net.dense.classes);
  const predictedHeapBytes = predictHeapBytes(net, options.precision, preprocessing.crop, shardBytes);
  if (!options.allowLarge) requireFit(architecture(net), options.precision, predictedHeapBytes);

  const images = await chooseImages(options, preprocessing);
  const graph = await makeGraph(
    net,
    options.precision,
    preprocessing,
    images.calibration,
    shardBytes,
    progress,
  );
  const shards = chooseShards(graph, shardBytes).map(([from, to]) => writeShard(graph, from, to));

  const facts: PackFacts = {
    format: manifestFormat,
    name: options.name,
    source: {
      file: basename(options.file),
      bytes: bytes.byteLength,
      sha256: createHash("sha256").update(bytes).digest("hex"),
      ...(options.url === undefined ? {} : { url: options.url }),
      licence: options.licence ?? "unknown",
    },
    input: { name: net.input.name, shape: [1, 3, preprocessing.crop, preprocessing.crop] },
    preprocessing,
    classes: net.dense.classes,
    outputs: { logits: logitsName, features: featuresName },
    feature_size: net.dense.features,
    precision: options.precision,
    quantisation: null,
  };
  const draft = await assemblePack(facts, labels, shards);
  const agreement = await compare(
    bytes,
    draft,
    images.evaluation,
    options.evaluateDir ? labels : null,
    progress,
  );
  const quantisation = quantisationReport(options.precision, images, agreement);
  const pack = await assemblePack({ ...facts, quantisation }, labels, shards);
  progress("write", 0, 1);
  await writePack(pack, options.out);
  progress("write", 1, 1);
  return {
    folder: options.out,
    manifest: pack.manifest,
    architecture: architecture(net),
    agreement,
    predictedHeapBytes,
    seconds: (performance.now() - started) / 1000,
  };
}

function checkShardBytes(bytes: number): number {
  if (Number.isInteger(bytes) && bytes > 0 && bytes <= maxShardBytes) return bytes;
  throw new PackError(`The limit of a shard is ${bytes} bytes; expected 1 to ${maxShardBytes} (8 MiB).`);
}

function choosePreprocessing(net: ResNet, options: PackOptions): Preprocessing {
  const { inputSize } = options;
  if (net.input.size !== null && inputSize !== undefined && inputSize !== net.input.size) {
    throw new PackError(
      `The model takes ${net.input.size} pixels, not ${inputSize}. Leave the input size out.`,
    );
  }
  const crop = net.input.size ?? inputSize ?? defaultInputSize;
  const size = options.resizeSize ?? Math.round((crop * 256) / 224);
  if (size < crop)
    throw new PackError(`The resized side has ${size} pixels; expected at least the crop's ${crop}.`);
  return {
    resize: options.resize ?? "shortest-edge",
    size,
    crop,
    interpolation: "bilinear",
    color: "RGB",
    mean: [0.485, 0.456, 0.406],
    std: [0.229, 0.224, 0.225],
  };
}

interface PackImages {
  calibration: ImageSet;
  evaluation: ImageSet;
  /** Whether the comparison sees other images than the calibration. */
  heldOut: boolean;
}

/** The images that choose the ranges, and those of the comparison: others where there are others. */
async function chooseImages(options: PackOptions, preprocessing: Preprocessing): Promise<PackImages> {
  const { calibrateDir, evaluateDir, calibrationImages = defaultCalibrationImages } = options;
  const photographs = (folder: string, limit: number) => imagesFromFolder(folder, preprocessing, limit);
  const calibration = calibrateDir
    ? await photographs(calibrateDir, calibrationImages)
    : syntheticImages(syntheticCalibrationImages, preprocessing);
  const evaluationFolder = evaluateDir ?? calibrateDir;
  const evaluation = evaluationFolder
    ? await photographs(evaluationFolder, evaluationImages)
    : syntheticImages(syntheticCalibrationImages, preprocessing, syntheticCalibrationImages);
  return {
    calibration,
    evaluation,
    heldOut: evaluationFolder === undefined || evaluationFolder !== calibrateDir,
  };
}

async function makeGraph(
  net: ResNet,
  precision: Manifest["precision"],
  preprocessing: Preprocessing,
  images: ImageSet,
  shardBytes: number,
  progress: ProgressCallback,
): Promise<CuttableGraph> {
  const size = preprocessing.crop;
  const maxLayerBytes = layerBytesLimit(shardBytes);
  if (precision === "fp32") return floatGraph(net, { size, batch: 1, maxLayerBytes });
  const onImage = (done: number, total: number) => progress("calibrate", done, total);
  const ranges = await calibrate(net, images, { preprocessing, onImage });
  return quantisedGraph(net, ranges, { size, maxLayerBytes });
}

async function compare(
  model: Uint8Array,
  { manifest, files }: PackFiles,
  images: ImageSet,
  labels: readonly Label[] | null,
  progress: ProgressCallback,
): Promise<Agreement> {
  const source = await sourceClassifier(model, manifest.preprocessing.crop);
  const pack = await packClassifier(manifest, files);
  try {
    const onImage = (done: number, total: number) => progress("compare", done, total);
    const classOf = labels === null ? undefined : classFromName(labels);
    return await evaluate(source, pack, images, { classOf, onImage });
  } finally {
    await Promise.all([source.release(), pack.release()]);
  }
}

/** Makes a pack of an .onnx file: read, fold, calibrate, quantise, cut, compare, write. */
import { basename } from "node:path";
import { maxShardBytes } from "../../src/limits.ts";
import {
  type Label,
  type Manifest,
  manifestFormat,
  maxShards,
  type Preprocessing,
  type Scores,
} from "../../src/model/manifest.ts";
import { readOnnxFile } from "../onnx/file.ts";
import { CommandError } from "../terminal/fail.ts";
import { calibrate } from "./calibrate.ts";
import { featuresName, floatGraph, logitsName } from "./emit.ts";
import { type Agreement, evaluatePack, logitsOf, requireAgreement } from "./evaluate.ts";
import { enginesFor, type Heap, heapTexts, measureHeap } from "./heap.ts";
import {
  type ChosenImages,
  chooseImages,
  enoughPhotographs,
  heldOutShare,
  type ImageFolders,
  imagesFromFolder,
} from "./images.ts";
import { classesOf, numberedLabel, readLabels } from "./labels.ts";
import { measureScores, minLabelled, unmeasuredScores } from "./measure-scores.ts";
import { choosePixelStatistics, type NormalisationOptions, takingRgb } from "./normalisation.ts";
import {
  type ActivationRange,
  inputKey,
  quantisedGraph,
  rangeAfterRelu,
  rangeKeys,
} from "./quantised-graph.ts";
import { readResNet } from "./read-resnet.ts";
import { architecture, type ResNet } from "./resnet.ts";
import { chooseShards, layerBytesLimit, type ShardModel, writeShard } from "./shard.ts";
import { assemblePack, type PackFacts, requireReplaceable, writePack } from "./write-pack.ts";

/** `done` of `total` steps of `stage`. */
export type ProgressCallback = (stage: string, done: number, total: number) => void;

/** How to make the pack. */
export interface PackOptions extends ImageFolders, NormalisationOptions {
  /** The .onnx file. */
  file: string;
  /** The pack's folder. A pack that was made from the same file is replaced. */
  out: string;
  name: string;
  precision: Manifest["precision"];
  /** Labels file. Default: ImageNet's labels for 1000 classes, otherwise `class 0`, `class 1` ... */
  labels?: string | undefined;
  resize?: Preprocessing["resize"];
  /** Pixels of the resized side. Default: input size * 256 / 224, as ImageNet models are trained. */
  resizeSize?: number | undefined;
  /** Height and width of the input, when the file leaves them free. Default: 224. */
  inputSize?: number | undefined;
  /** Largest shard. A part that cannot be cut may be larger, up to 8 MiB. */
  shardBytes?: number;
  /** Smallest share of images on which pack and source must have the same first class. Default: 0. */
  minAgreement?: number | undefined;
  /** Share of confident answers that should be right. Default: 0.8. */
  targetPrecision?: number | undefined;
  /** Folder of photographs of none of the classes, to measure how the pack answers them. */
  foreignDir?: string | undefined;
  /** Writes the pack even if it does not fit the Worker. */
  allowLarge?: boolean | undefined;
  /** Replaces a pack that was made from another file. */
  force?: boolean | undefined;
  licence?: string | undefined;
  url?: string | undefined;
}

/** What was made. */
export type PackReport = Awaited<ReturnType<typeof packModel>>;

/** No shard of ResNet34 exceeds 5 MB. Smaller shards do not lower the WASM heap, larger ones raise it. */
export const defaultShardBytes = 5_000_000;
const defaultInputSize = 224;
const defaultPrecision = 0.8;
/** Significant digits of the report. The last ones differ between machines, and the version hashes the report. */
const reportDigits = 4;
const causesOfDisagreement =
  "Nothing was written. Possible causes: the --calibrate photographs are few, or unlike those to classify; --resize, --mean, --std, --input-range or --channels differ from the model's training; the model is untrained. To write the pack anyway, add --min-agreement 0.";
/** The manifest's version hashes this text: changing it changes the version of every pack. */
const int8Method =
  "BatchNorm folded; weights 8 bit, symmetric, per output channel; activations u8, range by least squared error weighted with 1/rms of each image, of which one in eight is added sharpened; residual trunk and dense layer float32";

/**
 * Makes a pack and writes it to `options.out`.
 * @throws CommandError when an input is missing or unsupported, the pack would be invalid, or it agrees with its source
 *   on too few images. Nothing is written then.
 */
export async function packModel(options: PackOptions, progress: ProgressCallback = () => {}) {
  const started = performance.now();
  const { name, precision, shardBytes = defaultShardBytes } = options;
  progress("read", 0, 1);
  const { graph, bytes, sha256 } = await readOnnxFile(options.file);
  await requireReplaceable(options.out, sha256, options.force ?? false);
  const read = readResNet(graph);
  const net = options.channels === "bgr" ? takingRgb(read) : read;
  progress("read", 1, 1);
  if (!(Number.isInteger(shardBytes) && shardBytes > 0 && shardBytes <= maxShardBytes)) {
    throw new CommandError(
      `The limit of a shard is ${shardBytes} bytes; expected 1 to ${maxShardBytes} (8 MiB).`,
    );
  }
  const preprocessing = choosePreprocessing(net, options);
  const size = preprocessing.crop;
  const labels = await readLabels(options.labels ?? null, net.dense.classes);
  const images = await chooseImages(options, preprocessing);
  const classes = options.evaluateDir ? classesOf(images.evaluation, labels) : undefined;
  const foreignImages = options.foreignDir
    ? await imagesFromFolder(options.foreignDir, preprocessing)
    : undefined;

  const facts: PackFacts = {
    format: manifestFormat,
    name,
    source: {
      file: basename(options.file),
      bytes,
      sha256,
      ...(options.url === undefined ? {} : { url: options.url }),
      licence: options.licence ?? "unknown",
      ...(net.input.channels === "BGR" ? { channels: "BGR" } : {}),
    },
    input: { name: net.input.name, shape: [1, 3, size, size] },
    preprocessing,
    classes: net.dense.classes,
    outputs: { logits: logitsName, features: featuresName },
    feature_size: net.dense.features,
    precision,
    quantisation: null,
    scores: unmeasuredScores,
  };
  // The heap depends on the sizes of tensors alone, so it is known before the ranges are.
  const heapIn = async (kind: Manifest["precision"]) => {
    const shards = writeShards(net, kind === "int8" ? anyRanges(net) : null, size, shardBytes);
    return measureHeap(await assemblePack({ ...facts, precision: kind }, labels, shards));
  };
  progress("measure", 0, 1);
  const heap = await heapIn(precision);
  progress("measure", 1, 1);
  if (enginesFor(heap).length === 0 && !options.allowLarge) {
    // A layer in float32 can be divided between shards. In int8 it may be too large for one.
    const heapInInt8 = precision === "fp32" ? await heapIn("int8").catch(() => heap) : heap;
    throw tooLarge(architecture(net), precision, heap, enginesFor(heapInInt8).length > 0);
  }

  const onImage = progress.bind(undefined, "calibrate");
  const ranges =
    precision === "int8" ? await calibrate(net, images.calibration, preprocessing, onImage) : null;
  const shards = writeShards(net, ranges, size, shardBytes);
  const draft = await assemblePack(facts, labels, shards);
  const { agreement, packLogits } = await evaluatePack({ graph, net }, draft, images.evaluation, {
    classes,
    onImage: progress.bind(undefined, "compare"),
  });
  requireAgreement(agreement, options.minAgreement ?? 0, causesOfDisagreement);
  const foreign =
    foreignImages && (await logitsOf(draft, foreignImages, progress.bind(undefined, "foreign photographs")));
  const scores = classes
    ? measureScores({ logits: packLogits, classes }, options.targetPrecision ?? defaultPrecision, foreign)
    : unmeasuredScores;
  const quantisation = quantisationReport(precision, images, agreement);
  const { manifest, files } = await assemblePack({ ...facts, quantisation, scores }, labels, shards);
  progress("write", 0, 1);
  await writePack({ manifest, files }, options.out);
  progress("write", 1, 1);
  return {
    folder: options.out,
    manifest,
    architecture: architecture(net),
    agreement,
    /** WASM memory of each engine with the pack loaded, measured. */
    heap,
    /** What the user should know about the pack. */
    warnings: [
      ...warningsAboutEngines(heap),
      ...warningsAboutLabels(labels),
      ...warningsAbout(images),
      ...warningsAboutScores(scores),
    ],
    seconds: (performance.now() - started) / 1000,
  };
}

/** @param ranges Of an int8 pack; null for float32. */
function writeShards(
  net: ResNet,
  ranges: ReadonlyMap<string, ActivationRange> | null,
  size: number,
  shardBytes: number,
): ShardModel[] {
  const options = { size, maxLayerBytes: layerBytesLimit(shardBytes) };
  const graph = ranges ? quantisedGraph(net, ranges, options) : floatGraph(net, options);
  const cuts = chooseShards(graph, shardBytes);
  if (cuts.length > maxShards) {
    throw new CommandError(
      `A pack of this ${architecture(net)} would have ${cuts.length} shards of at most ${shardBytes} bytes; expected at most ${maxShards}. Use a smaller network.`,
    );
  }
  return cuts.map(([from, to]) => writeShard(graph, from, to));
}

function anyRanges(net: ResNet): Map<string, ActivationRange> {
  return new Map([inputKey, ...rangeKeys(net)].map((key) => [key, rangeAfterRelu(1)]));
}

function tooLarge(
  network: string,
  precision: Manifest["precision"],
  heap: Heap,
  fitsInInt8: boolean,
): CommandError {
  const fix = fitsInInt8 ? "Pack it with --precision int8" : "Use a smaller network or a smaller input";
  return new CommandError(
    `A pack of this ${network} in ${precision} does not fit a Worker of 128 MB (WASM memory: ${heapTexts(heap).join("; ")}). ${fix}, or add --allow-large to compare it locally or to serve it from a host without that limit.`,
  );
}

/** A pack that fits in one engine alone needs its setting. */
function warningsAboutEngines(heap: Heap): string[] {
  const [engine, other] = enginesFor(heap);
  if (engine === undefined || other !== undefined || heap.simd === null) return [];
  return [`the pack fits the Worker with ENGINE = "${engine}" only: ${heapTexts(heap).join("; ")}`];
}

function choosePreprocessing(net: ResNet, options: PackOptions): Preprocessing {
  const { inputSize, resize = "shortest-edge" } = options;
  if (net.input.size !== null && inputSize !== undefined && inputSize !== net.input.size) {
    throw new CommandError(
      `The model takes ${net.input.size} pixels, not ${inputSize}. Leave the input size out.`,
    );
  }
  const crop = net.input.size ?? inputSize ?? defaultInputSize;
  const size = options.resizeSize ?? Math.round((crop * 256) / 224);
  if (size < crop) {
    throw new CommandError(`The resized side has ${size} pixels; expected at least the crop's ${crop}.`);
  }
  const { mean, std } = choosePixelStatistics(net, options);
  return { resize, size, crop, interpolation: "bilinear", color: "RGB", mean, std };
}

/** The `quantisation` field of a manifest. It is for people; the Worker ignores it. */
function quantisationReport(
  precision: Manifest["precision"],
  { composition }: ChosenImages,
  agreement: Agreement,
): Record<string, unknown> {
  const isInt8 = precision === "int8";
  return {
    method: isInt8 ? int8Method : "none; BatchNorm folded",
    calibration: isInt8 ? composition : null,
    agreement: { held_out: true, ...(rounded(agreement) as object) },
  };
}

function warningsAboutLabels(labels: readonly Label[]): string[] {
  const unnamed = labels.filter(({ label }, index) => label === numberedLabel(index)).length;
  if (unnamed === 0) return [];
  return [
    `${unnamed} of ${labels.length} classes have no name, so answers call them "${numberedLabel(0)}" and so on; pack again with --labels, a file with one label per line in the model's order`,
  ];
}

function warningsAbout({ composition: { images, synthetic } }: ChosenImages): string[] {
  if (synthetic === undefined) return [];
  return [
    `${images} photographs are few to calibrate on, so ${synthetic} synthetic pictures were mixed in; give --calibrate at least ${Math.ceil(enoughPhotographs / (1 - heldOutShare))} photographs like those to classify`,
  ];
}

function warningsAboutScores({ evaluation }: Scores): string[] {
  if (evaluation) return [];
  return [
    `the scores are not calibrated, and answers do not say whether they are confident; give --evaluate at least ${minLabelled} photographs with their classes`,
  ];
}

function rounded(value: unknown): unknown {
  if (typeof value === "number") return Number(value.toPrecision(reportDigits));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, rounded(entry)]));
}

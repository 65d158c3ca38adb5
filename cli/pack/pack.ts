/** Makes a pack of an .onnx file: read, fold, calibrate, quantise, cut, compare, write. */
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { sha256Hex } from "../../src/bytes/sha256.ts";
import { maxShardBytes } from "../../src/limits.ts";
import { type Manifest, manifestFormat, type Preprocessing } from "../../src/model/manifest.ts";
import { readOnnx } from "../onnx/read.ts";
import { CommandError } from "../terminal/fail.ts";
import { calibrate } from "./calibrate.ts";
import { featuresName, logitsName } from "./emit.ts";
import { type Agreement, evaluatePack } from "./evaluate.ts";
import { floatGraph } from "./float-graph.ts";
import { predictHeapBytes, requireFit } from "./heap.ts";
import { imagesFromFolder, syntheticImages } from "./images.ts";
import { classFromName, readLabels } from "./labels.ts";
import { quantisedGraph } from "./quantised-graph.ts";
import { readResNet } from "./read-resnet.ts";
import { architecture, type ResNet } from "./resnet.ts";
import { chooseShards, layerBytesLimit, writeShard } from "./shard.ts";
import { assemblePack, type PackFacts, writePack } from "./write-pack.ts";

/** `done` of `total` steps of `stage`. */
export type ProgressCallback = (stage: string, done: number, total: number) => void;

/** How to make the pack. */
export interface PackOptions {
  /** The .onnx file. */
  file: string;
  /** The pack's folder. Its content is replaced. */
  out: string;
  name: string;
  precision: Manifest["precision"];
  /** Labels file. Default: ImageNet's labels for 1000 classes, otherwise `class 0`, `class 1` ... */
  labels?: string | undefined;
  /** Folder of photographs like those to classify. Default: synthetic pictures. */
  calibrateDir?: string | undefined;
  /** The largest number of those photographs to use, evenly spread. */
  calibrationImages?: number;
  /** Folder of other photographs, on which the pack is compared with its source. */
  evaluateDir?: string | undefined;
  resize?: Preprocessing["resize"];
  /** Pixels of the resized side. Default: input size * 256 / 224, as ImageNet models are trained. */
  resizeSize?: number | undefined;
  /** Height and width of the input, when the file leaves them free. Default: 224. */
  inputSize?: number | undefined;
  /** Largest shard. A part that cannot be cut may be larger, up to 8 MiB. */
  shardBytes?: number;
  /** Writes the pack even if it does not fit the Worker. */
  allowLarge?: boolean | undefined;
  licence?: string | undefined;
  url?: string | undefined;
}

/** What was made. */
export interface PackReport {
  folder: string;
  manifest: Manifest;
  architecture: string;
  agreement: Agreement;
  predictedHeapBytes: number;
  seconds: number;
}

/** No shard of ResNet34 exceeds 5 MB. Smaller shards do not lower the WASM heap, larger ones raise it. */
export const defaultShardBytes = 5_000_000;
const defaultInputSize = 224;
/** More photographs hardly change a range, and each costs a forward pass in float32. */
const defaultCalibrationImages = 500;
const syntheticCalibrationImages = 128;
/** Images of the comparison that the manifest reports. */
const evaluationImages = 200;
/** Significant digits of the report. The last ones differ between machines, and the version hashes the report. */
const reportDigits = 4;
/** The manifest's version hashes this text: changing it changes the version of every pack. */
const int8Method =
  "BatchNorm folded; weights 8 bit, symmetric, per output channel; activations u8, range by least squared error weighted with 1/rms of each image; residual trunk and dense layer float32";

/**
 * Makes a pack and writes it to `options.out`.
 * @throws CommandError when an input is missing or unsupported, or the pack would be invalid. Nothing is written then.
 */
export async function packModel(
  options: PackOptions,
  progress: ProgressCallback = () => {},
): Promise<PackReport> {
  const started = performance.now();
  const { name, precision, shardBytes = defaultShardBytes } = options;
  progress("read", 0, 1);
  const bytes = await readFile(options.file).catch((cause: unknown) => {
    throw new CommandError(`The model ${options.file} cannot be read; expected an .onnx file.`, { cause });
  });
  const net = readResNet(readOnnx(bytes));
  progress("read", 1, 1);
  if (!(Number.isInteger(shardBytes) && shardBytes > 0 && shardBytes <= maxShardBytes)) {
    throw new CommandError(
      `The limit of a shard is ${shardBytes} bytes; expected 1 to ${maxShardBytes} (8 MiB).`,
    );
  }
  const preprocessing = choosePreprocessing(net, options);
  const size = preprocessing.crop;
  const labels = await readLabels(options.labels ?? null, net.dense.classes);
  const predictedHeapBytes = predictHeapBytes(net, precision, size, shardBytes);
  if (!options.allowLarge) requireFit(architecture(net), precision, predictedHeapBytes);

  const images = await chooseImages(options, preprocessing);
  const graphOptions = { size, maxLayerBytes: layerBytesLimit(shardBytes) };
  const onImage = progress.bind(undefined, "calibrate");
  const ranges = precision === "int8" && (await calibrate(net, images.calibration, preprocessing, onImage));
  const graph = ranges ? quantisedGraph(net, ranges, graphOptions) : floatGraph(net, graphOptions);
  const shards = chooseShards(graph, shardBytes).map(([from, to]) => writeShard(graph, from, to));

  const facts: PackFacts = {
    format: manifestFormat,
    name,
    source: {
      file: basename(options.file),
      bytes: bytes.byteLength,
      sha256: await sha256Hex(bytes),
      ...(options.url === undefined ? {} : { url: options.url }),
      licence: options.licence ?? "unknown",
    },
    input: { name: net.input.name, shape: [1, 3, size, size] },
    preprocessing,
    classes: net.dense.classes,
    outputs: { logits: logitsName, features: featuresName },
    feature_size: net.dense.features,
    precision,
    quantisation: null,
  };
  const draft = await assemblePack(facts, labels, shards);
  const agreement = await evaluatePack(bytes, draft, images.evaluation, {
    classOf: options.evaluateDir ? classFromName(labels) : undefined,
    onImage: progress.bind(undefined, "compare"),
  });
  const quantisation = quantisationReport(precision, images, agreement);
  const { manifest, files } = await assemblePack({ ...facts, quantisation }, labels, shards);
  progress("write", 0, 1);
  await writePack({ manifest, files }, options.out);
  progress("write", 1, 1);
  const seconds = (performance.now() - started) / 1000;
  return {
    ...{ folder: options.out, manifest, architecture: architecture(net) },
    ...{ agreement, predictedHeapBytes, seconds },
  };
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
  if (size < crop)
    throw new CommandError(`The resized side has ${size} pixels; expected at least the crop's ${crop}.`);
  return {
    ...{ resize, size, crop, interpolation: "bilinear", color: "RGB" },
    mean: [0.485, 0.456, 0.406],
    std: [0.229, 0.224, 0.225],
  };
}

/** The images that choose the ranges, and those of the comparison: other images when there are any. */
async function chooseImages(options: PackOptions, preprocessing: Preprocessing) {
  const { calibrateDir, evaluateDir = calibrateDir, calibrationImages = defaultCalibrationImages } = options;
  const synthetic = (firstSeed: number) =>
    syntheticImages(syntheticCalibrationImages, preprocessing, firstSeed);
  return {
    calibration: calibrateDir
      ? await imagesFromFolder(calibrateDir, preprocessing, calibrationImages)
      : synthetic(0),
    evaluation: evaluateDir
      ? await imagesFromFolder(evaluateDir, preprocessing, evaluationImages)
      : synthetic(syntheticCalibrationImages),
    /** Whether the comparison uses other images than the calibration. */
    heldOut: evaluateDir === undefined || evaluateDir !== calibrateDir,
  };
}

/** The `quantisation` field of a manifest. It is for people; the Worker ignores it. */
function quantisationReport(
  precision: Manifest["precision"],
  { calibration, heldOut }: Awaited<ReturnType<typeof chooseImages>>,
  agreement: Agreement,
): Record<string, unknown> {
  const isInt8 = precision === "int8";
  return {
    method: isInt8 ? int8Method : "none; BatchNorm folded",
    calibration: isInt8 ? { kind: calibration.kind, images: calibration.count } : null,
    agreement: { held_out: !isInt8 || heldOut, ...(rounded(agreement) as object) },
  };
}

function rounded(value: unknown): unknown {
  if (typeof value === "number") return Number(value.toPrecision(reportDigits));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, rounded(entry)]));
}

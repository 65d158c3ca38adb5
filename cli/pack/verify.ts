/** Compares an existing pack with the .onnx file it was made from, on photographs, also with other common normalisations. */
import type { EngineName } from "../../src/model/engine.ts";
import { labelsSchema, type Preprocessing } from "../../src/model/manifest.ts";
import { readOnnxFile } from "../onnx/file.ts";
import { type Agreement, evaluatePack, nodeEngine, type Source, sourceClassifier } from "./evaluate.ts";
import { type ImageSet, imagesFromFolder, spreadIndices } from "./images.ts";
import { classesOf } from "./labels.ts";
import {
  choosePixelStatistics,
  type NormalisationOptions,
  renormalised,
  sourceInput,
  takingRgb,
} from "./normalisation.ts";
import type { ProgressCallback } from "./pack.ts";
import { readPack } from "./read-pack.ts";
import { readResNet } from "./read-resnet.ts";

/** What to compare, and on which images. */
export interface VerifyOptions {
  /** The pack's folder. */
  folder: string;
  /** The float32 .onnx file. */
  against: string;
  /** Folder of photographs, with or without subfolders. */
  images: string;
  /** Reads the class of each photograph from its folder or name, to measure accuracy. */
  labelsFromNames?: boolean;
  /** Runs the pack. Default: onnxruntime. */
  engine?: EngineName;
  /** Counts the answers that libjpeg's pixels and the pack change: Agreement.changes. */
  countChanges?: boolean;
}

/** What a comparison found. */
export interface Verification {
  agreement: Agreement;
  /** Whether `against` is the file that the manifest names as the source. */
  sameSource: boolean;
  /** When classes are known: a normalisation with which the source is far more accurate. */
  betterNormalisation: BetterNormalisation | null;
}

/**
 * Compares a pack with its source.
 * @throws CommandError when a file is missing, is damaged, or does not fit the pack.
 */
export async function verifyPack(
  {
    folder,
    against,
    images: photographs,
    labelsFromNames,
    countChanges,
    engine = "onnxruntime",
  }: VerifyOptions,
  progress: ProgressCallback = () => {},
): Promise<Verification> {
  const pack = await readPack(folder);
  const { manifest, files } = pack;
  const labels = labelsSchema.parse(JSON.parse(new TextDecoder().decode(files.get(manifest.labels.file))));
  const { graph, sha256 } = await readOnnxFile(against);
  const read = readResNet(graph);
  const source = { graph, net: manifest.source.channels === "BGR" ? takingRgb(read) : read };
  const images = await imagesFromFolder(photographs, manifest.preprocessing);
  const classes = labelsFromNames ? classesOf(images, labels) : undefined;
  const { agreement } = await evaluatePack(source, pack, images, {
    classes,
    countChanges,
    engine: await nodeEngine(engine),
    onImage: progress.bind(undefined, "compare"),
  });
  const betterNormalisation =
    classes === undefined
      ? null
      : await findBetterNormalisation(source, manifest.preprocessing, images, classes);
  return { agreement, sameSource: sha256 === manifest.source.sha256, betterNormalisation };
}

/** Those of torchvision, TensorFlow, plain pixels, plain levels, CIFAR-10 and Caffe, and torchvision's in BGR. */
const common: readonly NormalisationOptions[] = [
  { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
  { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
  { inputRange: [0, 1] },
  { inputRange: [0, 255] },
  { mean: [0.4914, 0.4822, 0.4465], std: [0.247, 0.2435, 0.2616] },
  { channels: "bgr", inputRange: [0, 255], mean: [103.939, 116.779, 123.68] },
  { channels: "bgr", mean: [0.406, 0.456, 0.485], std: [0.225, 0.224, 0.229] },
];

/** Enough to see a difference of ten points. */
const maxImages = 200;
/** Smaller gains come from chance, or from normalisations that hardly differ. */
const leastGain = 0.05;
/** Standard deviations by which the images that improve must outnumber those that worsen. */
const leastDeviations = 3;

/** A normalisation with which the source is more accurate. Shares are 0 to 1. */
export interface BetterNormalisation {
  /** Options of `pack`, as typed. */
  options: string;
  images: number;
  /** Top-1 of the source as packed, and with the other normalisation. */
  source_top1: number;
  better_top1: number;
}

/**
 * Runs the source with each common normalisation on at most 200 images.
 * @param classes Class of each image.
 * @returns The best one if it is far more accurate, otherwise null.
 */
export async function findBetterNormalisation(
  { graph, net }: Source,
  preprocessing: Preprocessing,
  images: ImageSet,
  classes: readonly number[],
): Promise<BetterNormalisation | null> {
  const read = readResNet(graph);
  const candidates = common.map((options) => {
    const network = options.channels === "bgr" ? takingRgb(read) : read;
    return {
      options,
      input: network.input,
      statistics: choosePixelStatistics(network, options),
      right: [] as boolean[],
    };
  });
  const current = { input: net.input, statistics: preprocessing, right: [] as boolean[] };
  // The input is made here for each candidate, so the classifier must not change it.
  const unchanged = { ...net, input: { ...net.input, normalisation: null, channels: "RGB" as const } };
  const model = await sourceClassifier({ graph, net: unchanged }, preprocessing.crop);
  const indices = spreadIndices(images.count, maxImages);
  try {
    for (const index of indices) {
      const tensor = await images.tensor(index);
      for (const { input, statistics, right } of [current, ...candidates]) {
        const logits = await model.logits(
          sourceInput(renormalised(tensor, preprocessing, statistics), input),
        );
        right.push(logits.indexOf(Math.max(...logits)) === classes[index]);
      }
    }
  } finally {
    await model.release();
  }
  const best = candidates.reduce((a, b) => (count(b.right) > count(a.right) ? b : a));
  if (!isFarBetter(current.right, best.right)) return null;
  return {
    options: typed(best.options),
    images: indices.length,
    source_top1: count(current.right) / indices.length,
    better_top1: count(best.right) / indices.length,
  };
}

const count = (right: readonly boolean[]) => right.filter(Boolean).length;

/** McNemar's test: of the images that only one side classifies correctly, chance would give each side half. */
function isFarBetter(before: readonly boolean[], after: readonly boolean[]): boolean {
  const won = after.filter((right, i) => right && !before[i]).length;
  const lost = before.filter((right, i) => right && !after[i]).length;
  const gain = won - lost;
  return gain >= leastGain * before.length && gain > leastDeviations * Math.sqrt(won + lost);
}

function typed({ channels, inputRange, mean, std }: NormalisationOptions): string {
  const options = { "--channels": channels, "--input-range": inputRange, "--mean": mean, "--std": std };
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return given.map(([option, value]) => `${option} ${String(value)}`).join(" ");
}

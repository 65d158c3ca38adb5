/** Compares an existing pack with the .onnx file it was made from, on photographs. */
import { labelsSchema } from "../../src/model/manifest.ts";
import { readOnnxFile } from "../onnx/read.ts";
import { type BetterNormalisation, findBetterNormalisation } from "./better-normalisation.ts";
import { type Agreement, evaluatePack } from "./evaluate.ts";
import { imagesFromFolder } from "./images.ts";
import { classesOf } from "./labels.ts";
import { takingRgb } from "./normalisation.ts";
import type { ProgressCallback } from "./pack.ts";
import { readPack } from "./read-pack.ts";
import { readResNet } from "./read-resnet.ts";

/** What to compare, and on which images. */
export interface VerifyOptions {
  /** The pack's folder. */
  folder: string;
  /** The float32 .onnx file. */
  against: string;
  /** Folder of JPEG photographs, with or without subfolders. */
  images: string;
  /** Reads the class of each photograph from its folder or name, to measure accuracy. */
  labelsFromNames?: boolean;
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
  { folder, against, images: photographs, labelsFromNames, countChanges }: VerifyOptions,
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
    onImage: progress.bind(undefined, "compare"),
  });
  const betterNormalisation =
    classes === undefined
      ? null
      : await findBetterNormalisation(source, manifest.preprocessing, images, classes);
  return { agreement, sameSource: sha256 === manifest.source.sha256, betterNormalisation };
}

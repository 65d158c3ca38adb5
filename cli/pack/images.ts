/** Sets of images as tensors, and the choice of those that calibrate a pack and those that it is compared on. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import type { Orientation } from "../../src/image/orientation.ts";
import { imageToTensor, plainView, preprocess, toTensor } from "../../src/image/preprocess.ts";
import { decodeLimits } from "../../src/limits.ts";
import type { Preprocessing } from "../../src/model/manifest.ts";
import { CommandError } from "../terminal/fail.ts";
import { imageFiles } from "../terminal/paths.ts";
import { syntheticPixels } from "./synthetic.ts";

/** Images, read one at a time. Tensors are float32 [3, crop, crop], made by the Worker's own code. */
export interface ImageSet {
  kind: "photographs" | "synthetic";
  count: number;
  /** Path within the folder, or the seed of a synthetic picture. */
  name(index: number): string;
  tensor(index: number): Promise<Float32Array>;
  /** Photographs only: the tensor of the same image made from the pixels that sharp decodes at full size. */
  sharpTensor?(index: number): Promise<Float32Array>;
}

/**
 * The image files of a folder and its subfolders, sorted by path.
 * @throws CommandError when the folder cannot be read or has no such file.
 */
export async function imagesFromFolder(folder: string, preprocessing: Preprocessing): Promise<ImageSet> {
  const files = await imageFiles(folder);
  const name = (index: number) => files[index]!;
  return {
    kind: "photographs",
    count: files.length,
    name,
    async tensor(index) {
      const path = join(folder, name(index));
      const bytes = await readFile(path);
      try {
        // The Worker's own limits, so that a photograph is decoded here as it will be there.
        return (await imageToTensor(bytes, preprocessing, decodeLimits)).tensor;
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : String(cause);
        throw new CommandError(`${path}: ${reason}`, { cause });
      }
    },
    sharpTensor: async (index) => sharpTensor(await readFile(join(folder, name(index))), preprocessing),
  };
}

/** The images at these indices. */
export function subset(images: ImageSet, indices: readonly number[]): ImageSet {
  return {
    kind: images.kind,
    count: indices.length,
    name: (index) => images.name(indices[index]!),
    tensor: (index) => images.tensor(indices[index]!),
  };
}

/** At most `limit` images, spread evenly, so that a folder sorted by class covers each class. */
export function spread(images: ImageSet, limit: number): ImageSet {
  return subset(images, spreadIndices(images.count, limit));
}

/** At most `limit` of the indices below `count`, spread evenly. */
export function spreadIndices(count: number, limit: number): number[] {
  const length = Math.min(count, limit);
  return Array.from({ length }, (_, index) => Math.floor((index * count) / length));
}

/** All images of both sets. `kind` is that of the first. */
export function joined(first: ImageSet, second: ImageSet): ImageSet {
  const at = (index: number): [ImageSet, number] =>
    index < first.count ? [first, index] : [second, index - first.count];
  return {
    kind: first.kind,
    count: first.count + second.count,
    name: (index) => {
      const [images, own] = at(index);
      return images.name(own);
    },
    tensor: (index) => {
      const [images, own] = at(index);
      return images.tensor(own);
    },
  };
}

/** Pictures of consecutive seeds from `firstSeed`. */
export function syntheticImages(count: number, preprocessing: Preprocessing, firstSeed = 0): ImageSet {
  const size = preprocessing.crop;
  return {
    kind: "synthetic",
    count,
    name: (index) => `synthetic-${firstSeed + index}`,
    tensor: async (index) => {
      const data = syntheticPixels(size, firstSeed + index);
      return toTensor({ width: size, height: size, data }, preprocessing);
    },
  };
}

/**
 * An image decoded at full size by sharp (libvips), without shrink-on-load and without applying its colour
 * profile, composited over white, then preprocessed by the code that serves.
 * @returns float32 [3, crop, crop]
 */
export async function sharpTensor(photo: Uint8Array, preprocessing: Preprocessing): Promise<Float32Array> {
  const source = sharp(photo, { ignoreIcc: true });
  const { orientation = 1 } = await source.metadata();
  const decoded = source.toColourspace("srgb").flatten({ background: "white" }).raw();
  const { data, info } = await decoded.toBuffer({ resolveWithObject: true });
  const image = { width: info.width, height: info.height, data: asRgb(data, info.channels) };
  const view = { ...plainView(image), orientation: orientation as Orientation };
  return preprocess(image, preprocessing, undefined, view);
}

function asRgb(data: Uint8Array, channels: number): Uint8Array {
  if (channels === 3) return data;
  return Uint8Array.from({ length: data.length * 3 }, (_, i) => data[Math.floor(i / 3)]!);
}

/** More photographs hardly change a range, and each costs a forward pass in float32. */
const defaultCalibrationImages = 500;
/** Below this, single photographs decide the ranges, so synthetic pictures are mixed in. */
export const enoughPhotographs = 100;
/** Synthetic pictures that calibrate without photographs, or beside few. */
const syntheticCalibrationImages = 128;
/** Share of the calibration folder that is held out for the comparison. */
export const heldOutShare = 0.2;
const maxHeldOutImages = 200;
/** Most images of a labelled folder: as many as show half a point of accuracy. */
const maxEvaluationImages = 1000;

/** Where the images come from. */
export interface ImageFolders {
  /** Folder of photographs to calibrate on. Default: synthetic pictures. */
  calibrateDir?: string | undefined;
  /** The largest number of photographs to calibrate on. */
  calibrationImages?: number | undefined;
  /** Folder of photographs for the comparison. Default: some of calibrateDir, which then do not calibrate. */
  evaluateDir?: string | undefined;
}

/** The two sets have no image in common. */
export interface ChosenImages {
  calibration: ImageSet;
  evaluation: ImageSet;
  /** What calibrates, for the manifest. */
  composition: { kind: ImageSet["kind"]; images: number; synthetic?: number };
}

/**
 * Chooses both sets.
 * @throws CommandError when a folder cannot be read or has no image file.
 */
export async function chooseImages(
  { calibrateDir, calibrationImages = defaultCalibrationImages, evaluateDir }: ImageFolders,
  preprocessing: Preprocessing,
): Promise<ChosenImages> {
  const synthetic = syntheticImages(syntheticCalibrationImages, preprocessing);
  const otherSynthetic = syntheticImages(syntheticCalibrationImages, preprocessing, synthetic.count);
  const labelled =
    evaluateDir === undefined
      ? null
      : spread(await imagesFromFolder(evaluateDir, preprocessing), maxEvaluationImages);
  if (calibrateDir === undefined) {
    return {
      calibration: synthetic,
      evaluation: labelled ?? otherSynthetic,
      composition: { kind: "synthetic", images: synthetic.count },
    };
  }
  const all = await imagesFromFolder(calibrateDir, preprocessing);
  const isSameFolder = evaluateDir === calibrateDir;
  const { kept, heldOut } = labelled && !isSameFolder ? { kept: all, heldOut: labelled } : holdOut(all);
  const photographs = spread(kept, calibrationImages);
  const isEnough = photographs.count >= enoughPhotographs;
  return {
    calibration: isEnough ? photographs : joined(photographs, synthetic),
    // A single photograph calibrates: none is left to compare on.
    evaluation: heldOut.count > 0 ? heldOut : otherSynthetic,
    composition: {
      kind: "photographs",
      images: photographs.count,
      ...(isEnough ? {} : { synthetic: synthetic.count }),
    },
  };
}

/** Holds out every fifth image, and fewer of many: in a folder sorted by class, images of each class. */
function holdOut(images: ImageSet): { kept: ImageSet; heldOut: ImageSet } {
  const share = Math.min(heldOutShare, maxHeldOutImages / images.count);
  const isHeldOut = (index: number) => Math.floor((index + 1) * share) > Math.floor(index * share);
  const indices = Array.from({ length: images.count }, (_, index) => index);
  const heldOut = indices.filter(isHeldOut);
  // Of two to four photographs, the last.
  if (heldOut.length === 0 && images.count > 1) heldOut.push(images.count - 1);
  const kept = indices.filter((index) => !heldOut.includes(index));
  return { kept: subset(images, kept), heldOut: subset(images, heldOut) };
}

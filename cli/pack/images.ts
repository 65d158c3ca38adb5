/** Sets of images as tensors: photographs from a folder, or pictures made from a seed. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { imageToTensor } from "../../src/image/preprocess.ts";
import { toTensor } from "../../src/image/tensor.ts";
import { decodeLimits } from "../../src/limits.ts";
import type { Preprocessing } from "../../src/model/manifest.ts";
import { CommandError } from "../terminal/fail.ts";
import { libjpegTensor } from "./libjpeg-tensor.ts";
import { syntheticPixels } from "./synthetic.ts";

/** Images, read one at a time. Tensors are float32 [3, crop, crop], made by the Worker's own code. */
export interface ImageSet {
  kind: "photographs" | "synthetic";
  count: number;
  /** Path within the folder, or the seed of a synthetic picture. */
  name(index: number): string;
  tensor(index: number): Promise<Float32Array>;
  /** Photographs only: the tensor of the same image made from the pixels that libjpeg-turbo decodes at full size. */
  libjpegTensor?(index: number): Promise<Float32Array>;
}

/**
 * The JPEG files of a folder and its subfolders, sorted by path.
 * @throws CommandError when the folder cannot be read or has no JPEG file.
 */
export async function imagesFromFolder(folder: string, preprocessing: Preprocessing): Promise<ImageSet> {
  const entries = await readdir(folder, { recursive: true }).catch((cause: unknown) => {
    const message = `The folder ${folder} cannot be read; expected a folder of JPEG photographs.`;
    throw new CommandError(message, { cause });
  });
  const files = entries.filter((file) => /\.jpe?g$/i.test(file)).sort();
  if (files.length === 0) {
    throw new CommandError(
      `The folder ${folder} has no .jpg or .jpeg file; expected photographs like those to classify.`,
    );
  }
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
        return imageToTensor(bytes, preprocessing, decodeLimits).tensor;
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : String(cause);
        throw new CommandError(`${path}: ${reason}`, { cause });
      }
    },
    libjpegTensor: async (index) => libjpegTensor(await readFile(join(folder, name(index))), preprocessing),
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

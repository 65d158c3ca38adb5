/** Sets of images as tensors: photographs from a folder, or pictures made from a seed. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { imageToTensor } from "../../src/image/preprocess.ts";
import { ScaledDecoder } from "../../src/image/scaled-decoder.ts";
import { toTensor } from "../../src/image/tensor.ts";
import { maxDecodeBytes, maxImagePixels } from "../../src/limits.ts";
import type { Preprocessing } from "../../src/model/manifest.ts";
import { PackError } from "./errors.ts";
import { syntheticPixels } from "./synthetic.ts";
import { compileModule } from "./wasm.ts";

/** Images, read one at a time. Tensors are float32 [3, crop, crop], made by the code that serves. */
export interface ImageSet {
  kind: "photographs" | "synthetic";
  count: number;
  /** File name, or the seed of a synthetic picture. */
  name(index: number): string;
  tensor(index: number): Promise<Float32Array>;
}

/** The Worker's own limits, so that a photograph is decoded here as it will be there. */
const limits = { maxPixels: maxImagePixels, maxDecodeBytes };

/**
 * The JPEG files of a folder, in the order of their names.
 * @param limit At most that many, evenly spread, so that a folder sorted by class gives every class.
 * @throws PackError when the folder cannot be read or holds no JPEG.
 */
export async function imagesFromFolder(
  folder: string,
  preprocessing: Preprocessing,
  limit = Number.POSITIVE_INFINITY,
): Promise<ImageSet> {
  const entries = await readdir(folder).catch((cause: unknown) => {
    throw new PackError(`The folder ${folder} cannot be read; expected a folder of JPEG photographs.`, {
      cause,
    });
  });
  const all = entries.filter((file) => /\.jpe?g$/i.test(file)).sort();
  if (all.length === 0) {
    throw new PackError(
      `The folder ${folder} has no .jpg or .jpeg file; expected photographs like those to classify.`,
    );
  }
  const files = spread(all, limit);
  const scaled = new ScaledDecoder(await compileModule("imagescript/wasm/any/jpeg.wasm"));
  return {
    kind: "photographs",
    count: files.length,
    name: (index) => files[index]!,
    async tensor(index) {
      const path = join(folder, files[index]!);
      const bytes = await readFile(path);
      try {
        return imageToTensor(bytes, preprocessing, { ...limits, scaled }).tensor;
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : String(cause);
        throw new PackError(`${path}: ${reason}`, { cause });
      }
    },
  };
}

function spread<T>(all: readonly T[], limit: number): T[] {
  if (all.length <= limit) return [...all];
  return Array.from({ length: limit }, (_, i) => all[Math.floor((i * all.length) / limit)]!);
}

/** @param firstSeed So that a check can use other pictures than the calibration. */
export function syntheticImages(count: number, preprocessing: Preprocessing, firstSeed = 0): ImageSet {
  const size = preprocessing.crop;
  return {
    kind: "synthetic",
    count,
    name: (index) => `synthetic-${firstSeed + index}`,
    tensor: (index) => {
      const data = syntheticPixels(size, firstSeed + index);
      return Promise.resolve(toTensor({ width: size, height: size, data }, preprocessing));
    },
  };
}

/** Images to features, by the pack, the preprocessing and the runtime that serve: training and serving cannot differ. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { ClassifierError } from "../../src/errors.ts";
import type { DecodeOptions } from "../../src/image/decode.ts";
import { ScaledDecoder } from "../../src/image/scaled-decoder.ts";
import { maxDecodeBytes, maxImagePixels } from "../../src/limits.ts";
import { ShardedSession } from "../../src/model/sharded-session.ts";
import { nodeRuntime } from "../pack/classifiers.ts";
import { compileModule } from "../pack/wasm.ts";
import type { LocalPack } from "../store/local-pack.ts";
import type { Progress } from "../terminal/progress.ts";
import { type Dataset, type Problem, readImage } from "./dataset.ts";
import type { Sample } from "./rows.ts";
import { type Augmentation, viewsOf } from "./views.ts";

export interface Embedded {
  readonly samples: readonly Sample[];
  /** Files that are no JPEG, or cannot be decoded. */
  readonly problems: readonly Problem[];
}

/** Features of every image of a folder; what cannot be decoded is told, not thrown. */
export async function embed(
  dataset: Dataset,
  pack: LocalPack,
  augmentation: Augmentation,
  progress: Progress,
): Promise<Embedded> {
  const decoding = await workerDecoding();
  const session = await loadPack(pack);
  const samples: Sample[] = [];
  const problems: Problem[] = [];
  try {
    for (const [done, image] of dataset.images.entries()) {
      progress.update("features", done, dataset.images.length);
      const bytes = await readImage(dataset, image);
      try {
        const tensors = viewsOf(bytes, pack.manifest.preprocessing, decoding, augmentation);
        const views: Float32Array[] = [];
        for (const tensor of tensors) views.push((await session.run(tensor)).features.slice());
        samples.push({ ...image, views });
      } catch (error) {
        if (!(error instanceof ClassifierError)) throw error;
        problems.push({ file: image.file, reason: error.message, canSkip: true });
      }
    }
    progress.update("features", dataset.images.length, dataset.images.length);
  } finally {
    await session.release();
  }
  return { samples, problems };
}

/** The Worker's own limits, so that an image is decoded here as it will be there. */
export async function workerDecoding(): Promise<DecodeOptions> {
  const scaled = new ScaledDecoder(await compileModule("imagescript/wasm/any/jpeg.wasm"));
  return { maxPixels: maxImagePixels, maxDecodeBytes, scaled };
}

async function loadPack(pack: LocalPack): Promise<ShardedSession> {
  return ShardedSession.load(pack.manifest, {
    runtime: await nodeRuntime(),
    readShard: async ({ file }) => new Uint8Array(await readFile(path.join(pack.folder, file))),
  });
}

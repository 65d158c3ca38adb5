/** Computes image features with the Worker's own pack, preprocessing and runtime, so that training matches serving. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { ClassifierError } from "../../src/errors.ts";
import { decodeLimits } from "../../src/limits.ts";
import { loadSession } from "../pack/classifiers.ts";
import type { LocalPack } from "../store/local-pack.ts";
import type { Progress } from "../terminal/progress.ts";
import { type Dataset, type Problem, readImage } from "./dataset.ts";
import type { Sample } from "./rows.ts";
import { type Augmentation, viewsOf } from "./views.ts";

/** Computes the features of every image. Files that are not JPEG or cannot be decoded become problems, not errors. */
export async function embed(
  dataset: Dataset,
  pack: LocalPack,
  augmentation: Augmentation,
  progress: Progress,
): Promise<{ samples: Sample[]; problems: Problem[] }> {
  const session = await loadSession(pack.manifest, (file) => readFile(path.join(pack.folder, file)));
  const samples: Sample[] = [];
  const problems: Problem[] = [];
  const { images } = dataset;
  try {
    for (const [done, image] of images.entries()) {
      progress.update("features", done, images.length);
      const bytes = await readImage(dataset, image);
      try {
        const views: Float32Array[] = [];
        for (const tensor of viewsOf(bytes, pack.manifest.preprocessing, decodeLimits, augmentation)) {
          views.push((await session.run(tensor)).features.slice());
        }
        samples.push({ ...image, views });
      } catch (error) {
        if (!(error instanceof ClassifierError)) throw error;
        problems.push({ file: image.file, reason: error.message, canSkip: true });
      }
    }
    progress.update("features", images.length, images.length);
  } finally {
    await session.release();
  }
  return { samples, problems };
}

/** What all measurements share: models, photos, and the Workers with their buckets. */
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { benchHead } from "../../cli/head/random-head.ts";
import { readProjectConfig } from "../../cli/store/platform-config.ts";
import { type Bundle, build, buildOurs, seedFile, seedHead, seedPack } from "../../cli/workerd/bundle.ts";
import type { DevWorkerOptions } from "../../cli/workerd/dev-worker.ts";
import { type Photo, photo } from "../pictures/photos.ts";
import { type PictureName, pictureNames, pictureSpecs } from "../plan.ts";
import { standIn } from "../stand-in/stand-in.ts";

/** The inputs of a run. */
export type Bench = Awaited<ReturnType<typeof prepareBench>>;

/**
 * Makes the models and photos that no earlier run has made, builds the Workers and fills their buckets.
 * @param folder for the bundles and buckets
 */
export async function prepareBench(folder: string, onStep: (step: string) => void) {
  onStep("model");
  const model = await standIn();
  onStep("photos");
  const photos: Partial<Record<PictureName, Photo>> = {};
  for (const name of pictureNames)
    photos[name] = await photo(name, { ...pictureSpecs[name], scene: "teapot" });
  onStep("bundles");
  const ours = await buildOurs(path.join(folder, "ours"));
  const plain = await buildPlain(path.join(folder, "plain"));
  onStep("buckets");
  const { manifest } = model.pack;
  const stateFolder = path.join(folder, "state-ours");
  await seedPack(stateFolder, model.pack.folder);
  await seedHead(stateFolder, (await benchHead(manifest)).bytes);
  const plainWorker = async (file: string): Promise<DevWorkerOptions> => {
    const key = path.basename(file);
    const stateFolder = path.join(folder, `state-${key}`);
    await seedFile(stateFolder, key, file);
    return { bundle: plain, stateFolder, vars: { MODEL_KEY: key, INPUT_SIZE: manifest.preprocessing.crop } };
  };
  return {
    model,
    photos: photos as Record<PictureName, Photo>,
    /** Our Worker with the 224 pack and a head, with each engine; the plain Worker with each model in a single file. */
    workers: {
      ours: { bundle: ours, stateFolder, vars: { MODEL_NAME: manifest.name } },
      "ours-onnxruntime": {
        bundle: ours,
        stateFolder,
        vars: { MODEL_NAME: manifest.name, ENGINE: "onnxruntime" },
      },
      int8: await plainWorker(model.files.int8),
      fp32: await plainWorker(model.files.fp32),
    },
  };
}

/** Builds the Worker of peers/plain-worker.ts as a deploy does. */
async function buildPlain(folder: string): Promise<Bundle> {
  const config = `${folder}.json`;
  const main = path.join(import.meta.dirname, "..", "peers", "plain-worker.ts");
  const { compatibility_date } = readProjectConfig();
  await mkdir(path.dirname(config), { recursive: true });
  await writeFile(config, JSON.stringify({ name: "plain", main, compatibility_date, minify: true }));
  await build(["--config", config], folder);
  return { folder, script: "plain-worker.js" };
}

/** What all measurements share: models, pictures, built Workers and their buckets. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { benchHead } from "../cli/head/random-head.ts";
import { seedFile, seedHead, seedPack } from "../cli/workerd/bucket-state.ts";
import { type Bundle, buildOurs } from "../cli/workerd/bundle.ts";
import { DevWorker, type DevWorkerOptions } from "../cli/workerd/dev-worker.ts";
import type { Preprocessing } from "../src/model/manifest.ts";
import { buildPlain } from "./peers/plain-bundle.ts";
import { fourToThree, type Photo, photo } from "./pictures/photos.ts";
import { type PictureName, pictureNames, pictureSpecs } from "./plan.ts";
import { type StandIn, standIn } from "./stand-in/stand-in.ts";

/** Keys of the models in the plain Worker's bucket. */
const plainKeys = { int8: "resnet34-int8.onnx", fp32: "resnet34.onnx" } as const;

type Precision = keyof typeof plainKeys;

/** Everything that the measurements share. Call close() to delete it. */
export class BenchContext {
  readonly model: StandIn;
  readonly photos: ReadonlyMap<PictureName, Photo>;
  readonly ourBundle: Bundle;
  readonly #plain: Bundle;
  readonly #folder: string;

  private constructor(
    folder: string,
    model: StandIn,
    photos: ReadonlyMap<PictureName, Photo>,
    bundles: { ours: Bundle; plain: Bundle },
  ) {
    this.#folder = folder;
    this.model = model;
    this.photos = photos;
    this.ourBundle = bundles.ours;
    this.#plain = bundles.plain;
  }

  /** Makes the models and photos that no earlier run has made, builds the Workers and fills their buckets. */
  static async create(onStep: (step: string) => void): Promise<BenchContext> {
    const folder = await mkdtemp(path.join(tmpdir(), "edge-resnet-bench-"));
    try {
      onStep("model");
      const model = await standIn();
      onStep("photos");
      const photos = new Map<PictureName, Photo>();
      for (const name of pictureNames) photos.set(name, await pictureOf(name));
      onStep("bundles");
      const ours = await buildOurs(path.join(folder, "ours"));
      const plain = await buildPlain(path.join(folder, "plain"));
      const context = new BenchContext(folder, model, photos, { ours, plain });
      onStep("buckets");
      await seedPack(context.#state("ours"), model.pack.folder);
      await seedHead(context.#state("ours"), (await benchHead(model.pack.manifest)).bytes);
      await seedFile(context.#state("int8"), plainKeys.int8, model.int8File);
      await seedFile(context.#state("fp32"), plainKeys.fp32, model.fp32File);
      return context;
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  get preprocessing(): Preprocessing {
    return this.model.pack.manifest.preprocessing;
  }

  /** Returns the photo of that name. */
  photo(name: PictureName): Photo {
    return this.photos.get(name)!;
  }

  /**
   * Runs `work` on a Worker in a fresh process.
   * @param subject our Worker with the 224 pack or with another one, or the plain Worker with a single file
   */
  async withWorker<T>(
    subject: "ours" | Precision | StandIn["pack"],
    work: (worker: DevWorker) => Promise<T>,
  ): Promise<T> {
    const worker = await DevWorker.start(await this.#optionsOf(subject));
    try {
      return await work(worker);
    } finally {
      await worker.close();
    }
  }

  /** Deletes the bundles and buckets. */
  async close(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #optionsOf(subject: "ours" | Precision | StandIn["pack"]): Promise<DevWorkerOptions> {
    if (subject === "int8" || subject === "fp32") {
      const vars = { MODEL_KEY: plainKeys[subject], INPUT_SIZE: this.preprocessing.crop };
      return { bundle: this.#plain, stateFolder: this.#state(subject), vars };
    }
    const { manifest, folder } = subject === "ours" ? this.model.pack : subject;
    const stateFolder = this.#state(subject === "ours" ? "ours" : manifest.name);
    if (subject !== "ours") await seedPack(stateFolder, folder);
    return { bundle: this.ourBundle, stateFolder, vars: { MODEL_NAME: manifest.name } };
  }

  #state(name: string): string {
    return path.join(this.#folder, `state-${name}`);
  }
}

function pictureOf(name: PictureName): Promise<Photo> {
  const { megapixels, progressive } = pictureSpecs[name];
  const size = megapixels === undefined ? { width: 500, height: 375 } : fourToThree(megapixels);
  return photo(name, { ...size, progressive, scene: "ship" });
}

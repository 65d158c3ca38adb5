/** What all measurements share: the models, the pictures, the built Workers and their storage. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Preprocessing } from "../../src/model/manifest.ts";
import { benchHead } from "../head/random-head.ts";
import { fourToThree, type Photo, photo } from "../pictures/photos.ts";
import { seedFile, seedHead, seedPack } from "../workerd/bucket-state.ts";
import { type Bundle, buildOurs } from "../workerd/bundle.ts";
import { DevWorker } from "../workerd/dev-worker.ts";
import { buildPlain } from "./peers/plain-bundle.ts";
import { type PictureName, pictureNames, pictureSpecs } from "./plan.ts";
import { type StandIn, standIn } from "./stand-in/stand-in.ts";

/** Keys of the single files in the plain Worker's bucket. */
const plainKeys = { int8: "resnet34-int8.onnx", fp32: "resnet34.onnx" } as const;

export class BenchContext {
  readonly model: StandIn;
  readonly photos: ReadonlyMap<PictureName, Photo>;
  readonly #folder: string;
  readonly #ours: Bundle;
  readonly #plain: Bundle;

  private constructor(
    folder: string,
    model: StandIn,
    photos: ReadonlyMap<PictureName, Photo>,
    bundles: { ours: Bundle; plain: Bundle },
  ) {
    this.#folder = folder;
    this.model = model;
    this.photos = photos;
    this.#ours = bundles.ours;
    this.#plain = bundles.plain;
  }

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

  /** Folder of our built Worker. */
  get ourBundle(): Bundle {
    return this.#ours;
  }

  photo(name: PictureName): Photo {
    const found = this.photos.get(name);
    if (!found) throw new Error(`no photo ${name}`);
    return found;
  }

  /** Our Worker in a fresh process, with the 224 pack in its bucket. */
  startOurs(): Promise<DevWorker> {
    const vars = { MODEL_NAME: this.model.pack.manifest.name };
    return DevWorker.start({ bundle: this.#ours, stateFolder: this.#state("ours"), vars });
  }

  /** The same with another pack. */
  async startOursWith({ folder, manifest }: StandIn["pack"]): Promise<DevWorker> {
    const stateFolder = this.#state(manifest.name);
    await seedPack(stateFolder, folder);
    return DevWorker.start({ bundle: this.#ours, stateFolder, vars: { MODEL_NAME: manifest.name } });
  }

  startPlain(precision: keyof typeof plainKeys): Promise<DevWorker> {
    const vars = { MODEL_KEY: plainKeys[precision], INPUT_SIZE: this.preprocessing.crop };
    return DevWorker.start({ bundle: this.#plain, stateFolder: this.#state(precision), vars });
  }

  async close(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
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

/**
 * All scales agree within a tolerance, on the example pictures enlarged to 4 and 12 megapixels: the result for an image must
 * not depend on the scale at which it was decoded.
 */
import { readFile } from "node:fs/promises";
import path from "node:path";
import sharp from "sharp";
import { beforeAll, describe, expect, test } from "vitest";
import { type LocalPack, packsFolder, readLocalPack } from "../../cli/store/local-pack.ts";
import { defaultModelName } from "../../src/default-model.ts";
import { plainView, preprocess, resizeAndCrop, type View } from "../../src/image/preprocess.ts";
import type { RgbImage } from "../../src/image/rgb-image.ts";
import type { Preprocessing } from "../../src/model/manifest.ts";
import { createRuntime } from "../../src/model/runtime.ts";
import { softmax } from "../../src/model/scores.ts";
import { ShardedSession } from "../../src/model/sharded-session.ts";
import { decodeAt } from "../support/image-decoders.ts";
import { compileOrtWasm } from "../support/ort-wasm.ts";

/** Mean difference from the full-size image, in levels of 255, after resizing and cropping. */
const meanLevels = 2;
/** Difference of any class's score, 0 to 1. */
const scoreTolerance = 0.1;

const examples = path.join(import.meta.dirname, "..", "..", "examples", "images");
let pack: LocalPack;
let session: ShardedSession;

beforeAll(async () => {
  pack = await readLocalPack(path.join(packsFolder, defaultModelName));
  session = await ShardedSession.load(pack.manifest, {
    runtime: createRuntime(await compileOrtWasm()),
    readShard: async ({ file }) => new Uint8Array(await readFile(path.join(pack.folder, file))),
  });
});

async function enlarged(name: string, width: number, height: number, progressive: boolean) {
  const picture = sharp(path.join(examples, `${name}.jpg`)).resize(width, height, { fit: "fill" });
  return new Uint8Array(await picture.jpeg({ quality: 85, progressive }).toBuffer());
}

function meanDifference(a: RgbImage, b: RgbImage): number {
  let sum = 0;
  for (let i = 0; i < a.data.length; i++) sum += Math.abs(a.data[i]! - b.data[i]!);
  return sum / a.data.length;
}

async function scores(image: RgbImage, view: View): Promise<Float64Array> {
  const tensor = preprocess(image, pack.manifest.preprocessing, undefined, view);
  return softmax((await session.run(tensor)).logits);
}

describe.each([
  ["teapot", 2304, 1729],
  ["ladybug", 2302, 1731],
  ["espresso", 4031, 3025],
] as const)("%s at %ix%i", (name, width, height) => {
  test.each(["baseline", "progressive"])("%s: pixels and class scores agree", async (process) => {
    const jpeg = await enlarged(name, width, height, process === "progressive");
    const whole = decodeAt(jpeg, 8);
    const reference = await scores(whole, plainView(whole));
    const at224: Preprocessing = { ...pack.manifest.preprocessing, size: 256, crop: 224 };
    for (const eighths of [1, 2, 4] as const) {
      const image = decodeAt(jpeg, eighths);
      const view: View = { fullSize: { width, height }, eighths, orientation: 1 };
      for (const preprocessing of [pack.manifest.preprocessing, at224]) {
        if ((Math.min(width, height) * eighths) / 8 < preprocessing.size) continue;
        const actual = resizeAndCrop(image, preprocessing, view);
        const difference = meanDifference(actual, resizeAndCrop(whole, preprocessing));
        expect(difference, `${eighths}/8 at ${preprocessing.crop}`).toBeLessThan(meanLevels);
      }
      const actual = await scores(image, view);
      for (const [i, score] of reference.entries()) {
        expect(Math.abs(actual[i]! - score), `${eighths}/8`).toBeLessThan(scoreTolerance);
      }
      expect(Array.from(actual).indexOf(Math.max(...actual))).toBe(
        Array.from(reference).indexOf(Math.max(...reference)),
      );
    }
  });
});

test("an incomplete block at the right or lower border does not shift the crop", async () => {
  // 2305 pixels are 288 blocks and one pixel: 289 pixels at 1/8, the last of which is only an eighth of a block wide.
  for (const [width, height] of [
    [2305, 1729],
    [2311, 1735],
  ] as const) {
    const ramp = Buffer.from(
      Array.from({ length: width * 8 * 3 }, (_, i) =>
        Math.round((Math.floor(i / 3) % width) / (width / 255)),
      ),
    );
    const row = sharp(ramp, { raw: { width, height: 8, channels: 3 } });
    const jpeg = new Uint8Array(
      await row.resize(width, height, { fit: "fill" }).jpeg({ quality: 95 }).toBuffer(),
    );
    const whole = decodeAt(jpeg, 8);
    const preprocessing = { ...pack.manifest.preprocessing, size: 200, crop: 200 };
    const view: View = { fullSize: { width, height }, eighths: 1, orientation: 1 };
    const actual = resizeAndCrop(decodeAt(jpeg, 1), preprocessing, view);
    const expected = resizeAndCrop(whole, preprocessing);
    let bias = 0;
    for (let i = 0; i < actual.data.length; i++) bias += actual.data[i]! - expected.data[i]!;
    // Half a pixel of 1/8 would be 0.44 levels of this ramp.
    expect(Math.abs(bias / actual.data.length)).toBeLessThan(0.2);
  }
});

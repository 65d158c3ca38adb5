/** The memory of the isolate and of its process does not grow with the number of decodes. */
import path from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { packsFolder } from "../../cli/store/local-pack.ts";
import { defaultModelName } from "../../src/default-model.ts";
import { progressivePanorama } from "../support/decode-churn.ts";
import { MeasuredWorker, MiB } from "../support/measured-worker.ts";
import { distinct } from "../support/photos.ts";

let worker: MeasuredWorker;

beforeAll(async () => {
  worker = await MeasuredWorker.start(path.join(packsFolder, defaultModelName));
}, 300_000);

afterAll(() => worker?.close());

async function postDistinct(image: Uint8Array, from: number, to: number): Promise<void> {
  for (let n = from; n < to; n++) {
    // No cache answers.
    const response = await worker.classify(distinct(image, n));
    expect(response.status).toBe(200);
    await response.arrayBuffer();
  }
}

const noise = { type: "gaussian", mean: 128, sigma: 20 } as const;
const create = { width: 1600, height: 800, channels: 3, background: "black", noise } as const;

test.each([
  ["progressive panoramas", () => progressivePanorama(1)],
  ["PNGs of 3 MB", async () => new Uint8Array(await sharp({ create }).png().toBuffer())],
])("100 different %s use no more memory than 10", async (_, make) => {
  const image = await make();
  await postDistinct(image, 0, 10);
  const before = { heap: await worker.heapUsage(), processBytes: await worker.peakProcessBytes() };
  await postDistinct(image, 10, 110);
  const after = { heap: await worker.heapUsage(), processBytes: await worker.peakProcessBytes() };
  const jsBytes = ({ heap }: typeof before) => heap.usedSize + heap.backingStorageSize;
  // The margin is for garbage that V8 has not collected yet.
  expect(jsBytes(after) - jsBytes(before)).toBeLessThan(48 * MiB);
  expect(after.processBytes - before.processBytes).toBeLessThan(96 * MiB);
});

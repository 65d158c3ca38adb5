/** The pipeline with real images and cache, on a model that adds up its input. */
import sharp from "sharp";
import { beforeEach, describe, expect, test } from "vitest";
import { sha256Hex } from "../../src/bytes/byte-arrays.ts";
import { MemoryTier, TieredCache } from "../../src/cache/result-cache.ts";
import { Classifier, Stages } from "../../src/classifier/classifier.ts";
import { pause } from "../../src/concurrency/timeout.ts";
import type { DecodeLimits } from "../../src/image/rgb-image.ts";
import { ModelHost } from "../../src/model/model-host.ts";
import { onnxRuntimeEngine } from "../../src/model/sharded-session.ts";
import { BucketSource } from "../../src/storage/bucket-source.ts";
import { buffering, withBufferingInflate } from "../support/buffering-inflate.ts";
import { never } from "../support/deferred.ts";
import { MemoryBucket } from "../support/memory-bucket.ts";
import { writePng } from "../support/png-writer.ts";
import { FakeRuntime, seedTinyPack, tinyName } from "../support/tiny-pack.ts";

let decoding: DecodeLimits;
let runtime: FakeRuntime;
let host: ModelHost;
let failures: string[];

beforeEach(async () => {
  const bucket = new MemoryBucket();
  await seedTinyPack(bucket);
  runtime = new FakeRuntime();
  host = new ModelHost({
    name: tinyName,
    source: new BucketSource(bucket),
    engine: onnxRuntimeEngine(runtime),
    log: () => {},
    waitUntil: () => {},
  });
  failures = [];
  decoding = { maxPixels: 1e6, maxDecodeBytes: 1e7 };
});

const jpeg = (grey: number) =>
  sharp({ create: { width: 16, height: 8, channels: 3, background: { r: grey, g: grey, b: grey } } })
    .jpeg({ quality: 100 })
    .toBuffer();

/** An uncompressed PNG of 9 kB, which takes ten writes to inflate. */
const png = (seed: number) =>
  writePng({ width: 60, height: 50, colourType: 2, bitDepth: 8, level: 0, sample: (x) => x * seed });

type Tier = ConstructorParameters<typeof TieredCache>[0][number];
const classifierWith = (...tiers: Tier[]) => classifierThatWaits(2000, tiers);

function classifierThatWaits(coalesceWaitMs: number, tiers: readonly Tier[] = []): Classifier {
  const cache = new TieredCache(tiers, (tier, operation) => void failures.push(`${tier} ${operation}`), 20);
  return new Classifier({
    ...{ host, cache, decoding, coalesceWaitMs },
    toJpeg: async (bytes) => bytes,
    waitUntil: () => {},
  });
}

async function score(classifier: Classifier, image: Uint8Array) {
  const job = { bytes: image, imageSha256: await sha256Hex(image), pack: await host.pack() };
  return classifier.score(job, new Stages());
}

describe("Classifier", () => {
  test("decodes, resizes and normalises: the model sees (grey/255 - mean) / std in every value", async () => {
    const { result } = await score(classifierWith(), await jpeg(255));
    expect([result.width, result.height]).toEqual([16, 8]);
    expect(result.logits[0]).toBeCloseTo(12 * 0.5, 1);
    const dark = await score(classifierWith(), await jpeg(0));
    expect(dark.result.logits[0]).toBeCloseTo(12 * -0.5, 1);
  });

  test("many equal images at once, and one after them: one run", async () => {
    let runs = 0;
    runtime.beforeRun = async () => void runs++;
    const classifier = classifierWith(new MemoryTier(1e6));
    const image = await jpeg(10);
    const scored = await Promise.all(Array.from({ length: 20 }, () => score(classifier, image)));
    const after = await score(classifier, image);
    expect(runs).toBe(3); // one for each shard
    expect(scored.map(({ cache }) => cache).sort()).toEqual([...Array(19).fill("COALESCED"), "MISS"]);
    expect(after.cache).toBe("HIT");
    expect(new Set([...scored, after].map(({ result }) => result.logits[0])).size).toBe(1);
  });

  test("a cache that fails or hangs does not fail the request, and is reported", async () => {
    const failing = {
      name: "failing",
      get: () => Promise.reject(new Error("x")),
      put: () => Promise.reject(new Error("x")),
    };
    const hanging = { name: "hanging", get: () => never<undefined>(), put: () => never<void>() };
    const { cache } = await score(classifierWith(failing, hanging), await jpeg(20));
    expect(cache).toBe("MISS");
    expect(failures).toContain("failing get");
    expect(failures).toContain("hanging get");
  });

  test("a failure is not cached: the same image succeeds once the model does", async () => {
    const classifier = classifierWith(new MemoryTier(1e6));
    runtime.beforeRun = async () => Promise.reject(new Error("trap"));
    await expect(score(classifier, await jpeg(30))).rejects.toMatchObject({
      reason: { code: "model_unavailable" },
    });
    runtime.beforeRun = async () => {};
    expect((await score(classifier, await jpeg(30))).cache).toBe("MISS");
  });

  test("a PNG is inflated while others wait: no two images are decoded at once", async () => {
    await withBufferingInflate(async () => {
      const classifier = classifierWith();
      const scored = await Promise.all([1, 2, 3].map((seed) => score(classifier, png(seed))));
      expect(scored.map(({ decode }) => decode?.decoder)).toEqual(["png", "png", "png"]);
      expect(buffering.writes).toBeGreaterThan(20);
      expect(buffering.mostOpen).toBe(1);
    });
  });

  test("a decode that nobody waits for any more stops", async () => {
    await withBufferingInflate(async () => {
      buffering.writeMs = 40;
      const abandoned = score(classifierThatWaits(50), png(4));
      await expect(abandoned).rejects.toMatchObject({ reason: { code: "model_unavailable" } });
      await pause(500);
      expect(buffering.open).toBe(0);
      expect(buffering.writes).toBeLessThan(8);
    });
  });

  test("a broken image is refused without a run", async () => {
    runtime.beforeRun = async () => expect.unreachable();
    const image = await jpeg(40);
    await expect(score(classifierWith(), image.subarray(0, image.length >> 1))).rejects.toMatchObject({
      reason: { code: "image_undecodable" },
    });
  });
});

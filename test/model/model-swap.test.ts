/** A version that goes live while another serves. */
import { beforeEach, describe, expect, test } from "vitest";
import type { Manifest } from "../../src/model/manifest.ts";
import { ModelHost } from "../../src/model/model-host.ts";
import { onnxRuntimeEngine } from "../../src/model/sharded-session.ts";
import { BucketSource } from "../../src/storage/bucket-source.ts";
import { deferred } from "../support/deferred.ts";
import { MemoryBucket } from "../support/memory-bucket.ts";
import { FakeRuntime, seedTinyPack, tinyName } from "../support/tiny-pack.ts";

const refreshMs = 1000;
let bucket: MemoryBucket;
let runtime: FakeRuntime;
let host: ModelHost;
let log: Record<string, unknown>[];
let nowMs: number;
let background: Promise<unknown>[];
let first: Manifest;

const waitUntil = (work: Promise<unknown>) => void background.push(work);
const settle = async () => {
  while (background.length > 0) await Promise.all(background.splice(0));
};
const infer = async () => {
  await host.pack();
  const { pack, logits } = await host.infer(() => new Float32Array(12).fill(0.5));
  expect(logits[0]).toBe(6);
  return pack.manifest.version;
};
/** Another version: same shards, other facts. */
const push = (licence: string) =>
  seedTinyPack(bucket, { source: { file: "x.onnx", bytes: 1, sha256: "0".repeat(64), licence } });

beforeEach(async () => {
  bucket = new MemoryBucket();
  runtime = new FakeRuntime();
  log = [];
  background = [];
  nowMs = 1e6;
  const source = new BucketSource(bucket);
  host = new ModelHost({
    waitUntil,
    name: tinyName,
    source,
    engine: onnxRuntimeEngine(runtime),
    refreshMs,
    now: () => nowMs,
    log: (event) => void log.push(event),
  });
  first = await seedTinyPack(bucket);
  expect(await infer()).toBe(first.version);
});

describe("a version that goes live", () => {
  test("is served after the refresh time; the bucket is not read before", async () => {
    const second = await push("second");
    nowMs += refreshMs - 1;
    expect(await infer()).toBe(first.version);
    await settle();
    expect(bucket.gets.filter((key) => key.endsWith("current.json"))).toHaveLength(1);
    nowMs += 1;
    await infer();
    await settle();
    expect(await infer()).toBe(second.version);
    expect(await host.pack()).toMatchObject({ manifest: { version: second.version } });
  });

  test("reads the bucket once for any number of requests", async () => {
    nowMs += refreshMs;
    await Promise.all(Array.from({ length: 20 }, infer));
    await settle();
    expect(bucket.gets.filter((key) => key.endsWith("current.json"))).toHaveLength(2);
  });

  test("loads only after running requests have finished and the old sessions are released", async () => {
    const second = await push("second");
    const gate = deferred();
    runtime.beforeRun = () => gate.promise;
    let most = 0;
    runtime.beforeCreate = async () => {
      most = Math.max(most, runtime.liveSessions);
    };
    nowMs += refreshMs;
    const underWay = infer();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(runtime.createdSessions).toBe(3);
    const afterwards = infer();
    gate.resolve();
    expect(await underWay).toBe(first.version);
    await settle();
    expect([first.version, second.version]).toContain(await afterwards);
    expect(await infer()).toBe(second.version);
    expect(runtime.liveSessions).toBe(3);
    expect(most).toBe(2); // never the three old ones together with new ones
  });

  test("that does not load is not tried again for a while, and the old version answers every request", async () => {
    const second = await push("second");
    const shard = `${tinyName}/${second.version}/shard-01.onnx`;
    const good = bucket.objects.get(shard)!;
    bucket.objects.set(shard, new Uint8Array(good.length).fill(9));
    nowMs += refreshMs;
    expect(await Promise.all([infer(), infer(), infer()])).toEqual(Array(3).fill(first.version));
    await settle();
    expect(await infer()).toBe(first.version);
    expect(runtime.liveSessions).toBe(3);
    expect(log.map(({ event }) => event)).toEqual(["model_loaded", "model_load_failed", "model_loaded"]);
    const created = runtime.createdSessions;
    bucket.objects.set(shard, good);
    nowMs += refreshMs;
    await infer();
    await settle();
    expect(runtime.createdSessions).toBe(created);
    nowMs += 5 * 60_000;
    await infer();
    await settle();
    expect(await infer()).toBe(second.version);
  });

  test("with a broken manifest keeps the old one in service and is logged", async () => {
    const second = await push("second");
    bucket.objects.set(`${tinyName}/${second.version}/manifest.json`, new Uint8Array(3));
    nowMs += refreshMs;
    await infer();
    await settle();
    expect(await infer()).toBe(first.version);
    expect(log.at(-1)).toMatchObject({
      event: "model_refresh_failed",
      reason: expect.stringContaining("not JSON"),
    });
  });

  test("in a format that the Worker does not know keeps the old one in service and is logged", async () => {
    await seedTinyPack(bucket, { format: 3 as Manifest["format"] });
    nowMs += refreshMs;
    await infer();
    await settle();
    expect(await infer()).toBe(first.version);
    expect(log.at(-1)).toMatchObject({
      event: "model_refresh_failed",
      reason: expect.stringContaining("it has format 3; this version reads formats 1 and 2"),
    });
  });

  test("in format 2 replaces a pack of format 1", async () => {
    const scores = { temperature: 0.9, confident: null, unknown: null, evaluation: null };
    const second = await seedTinyPack(bucket, { format: 2, scores });
    nowMs += refreshMs;
    await infer();
    await settle();
    expect(await infer()).toBe(second.version);
    expect((await host.pack()).manifest.scores).toEqual(scores);
  });

  test("five times in a row keeps one model's sessions alive, and every answer names its version", async () => {
    for (let i = 0; i < 5; i++) {
      const next = await push(`version ${i}`);
      nowMs += refreshMs;
      const versions = await Promise.all(Array.from({ length: 10 }, infer));
      await settle();
      expect(new Set([...versions, next.version]).size).toBeLessThanOrEqual(2);
      expect(await infer()).toBe(next.version);
      expect(runtime.liveSessions).toBe(3);
    }
  });
});

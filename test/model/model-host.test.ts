import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { ClassifierError } from "../../src/errors.ts";
import { ModelHost } from "../../src/model/model-host.ts";
import { onnxRuntimeEngine } from "../../src/model/sharded-session.ts";
import { BucketSource } from "../../src/storage/bucket-source.ts";
import { deferred, never } from "../support/deferred.ts";
import { MemoryBucket } from "../support/memory-bucket.ts";
import { FakeRuntime, seedTinyPack, tinyName } from "../support/tiny-pack.ts";

const stallMs = 1000;
const input = () => new Float32Array(12).fill(0.5);
let bucket: MemoryBucket;
let source: BucketSource;
let runtime: FakeRuntime;
let log: Record<string, unknown>[];
let host: ModelHost;

beforeEach(async () => {
  bucket = new MemoryBucket();
  await seedTinyPack(bucket);
  source = new BucketSource(bucket);
  runtime = new FakeRuntime();
  log = [];
  host = new ModelHost({
    waitUntil: () => {},
    name: tinyName,
    source,
    engine: onnxRuntimeEngine(runtime),
    stallMs,
    now: () => Date.now(),
    log: (event) => void log.push(event),
  });
});

afterEach(() => void vi.useRealTimers());

const codeOf = (error: unknown) => (error as ClassifierError).reason.code;

describe("ModelHost", () => {
  test("reads nothing before the first request, and reads labels without weights", async () => {
    expect(source.reads).toBe(0);
    await host.pack();
    expect(source.reads).toBe(3);
    expect(runtime.createdSessions).toBe(0);
  });

  test("100 first requests at once share one load: six reads, three sessions", async () => {
    const outputs = await Promise.all(Array.from({ length: 100 }, () => host.infer(input)));
    expect(outputs.every(({ logits }) => logits[0] === 6 && logits[1] === 1)).toBe(true);
    expect(source.reads).toBe(6);
    expect(runtime.createdSessions).toBe(3);
    expect(log).toMatchObject([{ event: "model_loaded", shards: 3, r2_reads: 6 }]);
  });

  test("holds at most two shards at once and reads the next while a session is created", async () => {
    const held = new Set<string>();
    const overlaps: number[] = [];
    bucket.beforeGet = async (key) => {
      if (key.includes("shard")) held.add(key);
    };
    runtime.beforeCreate = async (shard) => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      overlaps.push(held.size);
      for (const key of held) if (key.endsWith(`shard-0${shard}.onnx`)) held.delete(key);
    };
    await host.load();
    expect(overlaps).toEqual([2, 2, 1]);
  });

  test.each([0, 1, 2])(
    "a corrupt shard %i leaves no session behind, and the fixed bucket serves",
    async (shard) => {
      const { version } = (await host.pack()).manifest;
      const key = `${tinyName}/${version}/shard-0${shard}.onnx`;
      const good = bucket.objects.get(key)!;
      bucket.objects.set(key, new Uint8Array(good.length).fill(0xee));
      expect(await host.infer(input).catch(codeOf)).toBe("model_unavailable");
      expect(runtime.liveSessions).toBe(0);
      expect(log.at(-1)).toMatchObject({
        event: "model_load_failed",
        reason: expect.stringContaining("SHA-256"),
      });
      bucket.objects.set(key, good);
      expect((await host.infer(input)).logits[0]).toBe(6);
      expect(runtime.liveSessions).toBe(3);
    },
  );

  test("a shard that ONNX Runtime refuses gives 503 with the file's name, and the cause is logged", async () => {
    runtime.beforeCreate = async (shard) => {
      if (shard === 1) throw new Error("Can't create a session. ERROR_CODE: 7");
    };
    const error = await host.load().catch((e: unknown) => e as ClassifierError);
    expect((error as ClassifierError).message).toContain("shard-01.onnx does not load in ONNX Runtime");
    expect(log.at(-1)).toMatchObject({ cause: expect.stringContaining("ERROR_CODE: 7") });
    runtime.beforeCreate = async () => {};
    await expect(host.load()).resolves.toMatchObject({ shards: 3 });
  });

  test("loads and warms up the last shard first; a shard that does not run gives 503", async () => {
    const created: number[] = [];
    const warmed: number[] = [];
    runtime.beforeCreate = async (shard) => void created.push(shard);
    runtime.beforeWarmUp = async (shard) => {
      warmed.push(shard);
      expect(created).toEqual([2]);
      throw new Error("unreachable");
    };
    const error = await host.load().catch((e: unknown) => e as ClassifierError);
    expect((error as ClassifierError).message).toContain("shard-02.onnx does not run in ONNX Runtime");
    expect(runtime.liveSessions).toBe(0);
    created.length = 0;
    runtime.beforeWarmUp = async (shard) => void warmed.push(shard);
    await host.load();
    expect(created).toEqual([2, 1, 0]);
    expect(warmed).toEqual([2, 2]);
    expect(log.at(-1)).toMatchObject({ event: "model_loaded", warm_up_ms: expect.any(Number) });
  });

  test("if the loading request is cancelled, the next one takes over and its sessions are released", async () => {
    vi.useFakeTimers({ shouldAdvanceTime: true });
    const gone = deferred();
    runtime.beforeCreate = async (shard) => {
      if (shard !== 1) return;
      gone.resolve();
      await never();
    };
    const leader = host.infer(input);
    leader.catch(() => {});
    await gone.promise;
    expect(runtime.liveSessions).toBe(1);
    runtime.beforeCreate = async () => {};
    const waiter = host.infer(input);
    await vi.advanceTimersByTimeAsync(stallMs + 1);
    expect((await waiter).logits[0]).toBe(6);
    expect(runtime.liveSessions).toBe(3);
  });

  test("a hanging bucket gives 503 in bounded time", async () => {
    vi.useFakeTimers({ shouldAdvanceTime: true });
    bucket.beforeGet = () => never();
    const failed = host.pack().catch((e: unknown) => e as ClassifierError);
    await vi.advanceTimersByTimeAsync(stallMs);
    expect((await failed) as ClassifierError).toMatchObject({
      reason: { code: "model_unavailable", detail: expect.stringContaining("no progress for 1000 ms") },
    });
  });

  test("a run that traps releases the sessions, and the next request loads again", async () => {
    await host.load();
    runtime.beforeRun = async () => Promise.reject(new WebAssembly.RuntimeError("unreachable"));
    expect(await host.infer(input).catch(codeOf)).toBe("model_unavailable");
    expect(runtime.liveSessions).toBe(0);
    runtime.beforeRun = async () => {};
    expect((await host.infer(input)).logits[0]).toBe(6);
    expect(runtime.createdSessions).toBe(6);
  });

  test("a failed run is logged with its reason and cause, even if the thrown value is not an error", async () => {
    await host.load();
    runtime.beforeRun = () => Promise.reject(4711);
    expect(await host.infer(input).catch(codeOf)).toBe("model_unavailable");
    expect(log.at(-1)).toMatchObject({
      event: "run_failed",
      model: tinyName,
      reason: expect.stringContaining("the forward pass failed"),
      cause: "4711",
    });
  });

  test("a failed release hides no error and does not stop the next load", async () => {
    runtime.beforeRelease = () => Promise.reject(new WebAssembly.RuntimeError("unreachable"));
    runtime.beforeCreate = async (shard) => {
      if (shard === 2) throw new WebAssembly.RuntimeError("memory access out of bounds");
    };
    const error = await host.load().catch((e: unknown) => e as ClassifierError);
    expect((error as ClassifierError).message).toContain("shard-02.onnx does not load");
    expect(log.at(-1)).toMatchObject({ event: "model_load_failed", cause: "memory access out of bounds" });
    runtime.beforeCreate = async () => {};
    expect((await host.infer(input)).logits[0]).toBe(6);
    runtime.beforeRun = () => Promise.reject(new Error("trap"));
    expect(await host.infer(input).catch(codeOf)).toBe("model_unavailable");
    runtime.beforeRun = async () => {};
    expect((await host.infer(input)).logits[0]).toBe(6);
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY])("an output of %s gives 503", async (value) => {
    const error = await host.infer(() => new Float32Array(12).fill(value)).catch((e: unknown) => e);
    expect((error as ClassifierError).reason.code).toBe("model_unavailable");
    expect((error as ClassifierError).message).toContain("logits is not finite");
    expect((await host.infer(input)).logits[0]).toBe(6);
  });

  test("warming loads and runs once, and does not run if a request is about to", async () => {
    let runs = 0;
    runtime.beforeRun = async () => void runs++;
    expect(host.cold).toBe(true);
    await host.warm(() => false);
    expect([host.cold, runs]).toEqual([false, 0]);
    await host.warm(() => true);
    expect(runs).toBe(3);
    await host.warm(() => true);
    expect(runs).toBe(3);
    expect(runtime.createdSessions).toBe(3);
  });
});

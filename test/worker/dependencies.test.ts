/**
 * Each dependency of the Worker fails in turn, in one isolate. The tests check the answer, the log, that the next request
 * is answered correctly, and that nothing wrong is stored. docs/faults.md lists the results.
 */
import path from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Faults, Seen, StoreFault } from "../support/faulty-worker/faults.ts";
import { breaches } from "../support/fuzz/contract.ts";
import { exampleImage, servedModel, TestWorker } from "../support/worker.ts";

let worker: TestWorker;
let teapot: Uint8Array;
let right: unknown;

beforeAll(async () => {
  teapot = await exampleImage("teapot");
  worker = await startFaulty();
});

afterAll(() => worker?.close());

async function startFaulty(vars: Record<string, string> = {}): Promise<TestWorker> {
  const folder = path.join(import.meta.dirname, "..", "support", "faulty-worker");
  const configPath = path.join(folder, "wrangler.toml");
  const started = await TestWorker.start({ configPath, fromSource: true, vars });
  await started.get("/.faults/jpeg", { method: "POST", body: teapot as BodyInit });
  return started;
}

async function set(faults: Faults): Promise<void> {
  worker.clearLogs();
  await worker.get("/.faults", { method: "PUT", body: JSON.stringify(faults) });
}

const seen = async () => (await worker.get("/.faults")).json as unknown as Seen;

/** Returns the teapot as a file that is in no cache. Bytes after a JPEG's end change only its hash. */
function freshShip(): Uint8Array {
  const fresh = new Uint8Array(teapot.length + 16);
  fresh.set(teapot);
  crypto.getRandomValues(fresh.subarray(teapot.length));
  return fresh;
}

async function ask(image = freshShip()) {
  const answer = await worker.classify(image);
  expect(breaches(answer, [503])).toEqual([]);
  return answer;
}

async function expectRight(image = freshShip(), cache = "MISS"): Promise<void> {
  const answer = await ask(image);
  expect([answer.status, answer.headers.get("X-Cache")]).toEqual([200, cache]);
  right ??= answer.json.predictions;
  expect(answer.json.predictions).toEqual(right);
  expect((right as { label: string }[])[0]).toMatchObject({ label: "teapot" });
}

async function expectFailure(status: number, code: string, reason: RegExp, image = freshShip()) {
  const answer = await ask(image);
  expect([answer.status, answer.json.code]).toEqual([status, code]);
  expect(answer.json.detail).toMatch(reason);
  if (status !== 503) return;
  expect(answer.headers.get("Retry-After")).toMatch(/^[1-9]\d*$/);
  const [line] = await worker.logs("request");
  expect(line).toMatchObject({ status, code, reason: expect.stringMatching(reason) });
}

describe.sequential("a bucket, while no model is loaded,", () => {
  type Bucket = NonNullable<Faults["bucket"]>;
  const cases: [Bucket["how"], string, RegExp][] = [
    ["missing", "current.json", /no object .*current\.json; push the pack/],
    ["throws", "current.json", /reading .*current\.json from the bucket failed/],
    ["cut", "manifest.json", /reading .*manifest\.json from the bucket failed/],
    ["truncated", "manifest.json", /manifest\.json is not JSON/],
    ["flipped", "labels.json", /labels\.json has SHA-256/],
    ["throws", "shard-00", /reading .*shard-00\.onnx from the bucket failed/],
    ["cut", "shard-01", /reading .*shard-01\.onnx from the bucket failed/],
    ["truncated", "shard-02", /shard-02\.onnx has \d+ bytes; expected/],
    ["short", "shard-03", /shard-03\.onnx has \d+ bytes; expected/],
    ["flipped", "shard-04", /shard-04\.onnx has SHA-256/],
    ["hangs", "shard-02", /no progress for 10000 ms/],
  ];
  test.each(cases)('with the fault "%s" in %s: 503 with the reason', async (how, on, reason) => {
    await set({ bucket: { how, on }, cache: "throws" });
    await expectFailure(503, "model_unavailable", reason);
  });

  test("that is slow: the model loads", async () => {
    await set({ bucket: { how: "slow", on: "" } });
    await expectRight();
    expect(await worker.logs("model_loaded")).toMatchObject([{ runtime_starts: 1 }]);
  });
});

const spoilHeap = () => worker.get("/.faults/heap", { method: "POST" });

describe.sequential("the SIMD engine", () => {
  test("loses its memory: the failing run is 503 and logged; the next one is right, in the same memory", async () => {
    await set({});
    await expectRight();
    const before = (await worker.get("/readyz")).json.wasm_heap_bytes;
    await set({});
    await spoilHeap();
    await expectFailure(503, "model_unavailable", /output logits is not finite/);
    expect(await worker.logs("run_failed")).toHaveLength(1);
    await expectRight();
    expect(await worker.logs("model_loaded")).toMatchObject([{ engine: "simd", runtime_starts: 1 }]);
    expect((await worker.get("/readyz")).json.wasm_heap_bytes).toBe(before);
  });
});

describe.sequential("ONNX Runtime", () => {
  let simd: TestWorker;
  beforeAll(async () => {
    simd = worker;
    worker = await startFaulty({ ENGINE: "onnxruntime" });
  });
  afterAll(async () => {
    await worker.close();
    worker = simd;
  });

  test("gives the very scores of the SIMD engine", async () => {
    await set({});
    await expectRight();
    expect(await worker.logs("model_loaded")).toMatchObject([{ engine: "onnxruntime" }]);
  });

  test("traps: the failing run is 503 and logged; the next one is right, after a restart in the same memory", async () => {
    const before = (await worker.get("/readyz")).json.wasm_heap_bytes;
    for (const starts of [2, 3, 4]) {
      await set({});
      await spoilHeap();
      const image = freshShip();
      await expectFailure(503, "model_unavailable", /the forward pass failed/, image);
      expect(await worker.logs("run_failed")).toMatchObject([{ cause: expect.stringMatching(/\w/) }]);
      await expectRight(image);
      expect(await worker.logs("model_loaded")).toMatchObject([{ runtime_starts: starts }]);
    }
    expect((await worker.get("/readyz")).json.wasm_heap_bytes).toBe(before);
  });

  test("traps while requests wait: only the failing run is 503", async () => {
    await set({});
    await spoilHeap();
    const answers = await Promise.all(Array.from({ length: 12 }, () => ask()));
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses).toEqual([...new Array<number>(11).fill(200), 503]);
    for (const { status, json } of answers) if (status === 200) expect(json.predictions).toEqual(right);
    expect(await worker.logs("model_loaded")).toHaveLength(1);
  });

  test("traps, and the bucket fails at the next load: 503 until the bucket works again", async () => {
    await set({ bucket: { how: "throws", on: "shard" }, cache: "throws" });
    await spoilHeap();
    await expectFailure(503, "model_unavailable", /the forward pass failed/);
    worker.clearLogs();
    await expectFailure(503, "model_unavailable", /from the bucket failed/);
    await set({ bucket: { how: "slow", on: "shard" } });
    await expectRight();
  });
});

describe.sequential.each(["cache", "kv"] as const)("%s", (store) => {
  const tier = store === "cache" ? "cache-api" : "kv";
  const reads: StoreFault[] = ["throws", "garbage", "html", "empty", "other-classes", "not-numbers"];

  test.each(reads)(
    'with the read fault "%s": logged, computed again, and the stored entry is right',
    async (fault) => {
      await set({ [store]: fault });
      const image = freshShip();
      await expectRight(image);
      const reasons = (await worker.logs("cache_failed")).filter((line) => line.tier === tier);
      expect(reasons[0]).toMatchObject({
        operation: "get",
        reason: expect.stringMatching(/down|not a result/),
      });
      await set({});
      await expectRight(image, "HIT");
    },
  );

  test("fails to write: the answer is right", async () => {
    await set({ [store]: "put-throws" });
    await expectRight();
    await expect.poll(() => worker.logs("cache_failed")).toMatchObject([{ tier, operation: "put" }]);
  });
});

test("all stored keys consist of image and model; those of the Cache API are on this host, where they are 404", async () => {
  const { kvKeys, cacheKeys } = await seen();
  expect(kvKeys.length).toBeGreaterThan(5);
  const result = `${servedModel}/[0-9a-f]{16}/[0-9a-f]{64}`;
  for (const key of kvKeys) expect(key).toMatch(new RegExp(`^${result}$`));
  const reserved = `https://${worker.url.hostname}/v1/cache/`;
  const shard = `${servedModel}/[0-9a-f]{16}/[\\w-]+\\.(onnx|json)`;
  for (const key of cacheKeys) expect(key).toMatch(new RegExp(`^${reserved}(${result}|${shard})$`));
  const { status, json, headers } = await worker.get(new URL(cacheKeys[0]!).pathname);
  expect([status, json.code, headers.get("Cache-Control")]).toEqual([404, "not_found", "no-store"]);
});

describe.sequential("the rate-limit binding", () => {
  test.each(["hangs", "throws", "garbage"] as const)(
    "%s: requests pass, and the failure is logged",
    async (limiter) => {
      await set({ limiter });
      await expectRight();
      expect(await worker.logs("rate_limit_failed")).toMatchObject([{ reason: expect.stringMatching(/\w/) }]);
    },
  );

  test("refuses: requests are 429", async () => {
    await set({ limiter: "refuses" });
    await expectFailure(429, "rate_limited", /Too many requests/);
  });
});

test("analytics fail: the answer is right, and the failure is logged", async () => {
  await set({ analytics: "throws" });
  await expectRight();
  expect(await worker.logs("analytics_failed")).toHaveLength(1);
});

describe.sequential("the Images binding", () => {
  const cases: [NonNullable<Faults["images"]>, number, string, RegExp][] = [
    ["refuses", 422, "image_undecodable", /AVIF image that cannot be converted/],
    ["throws", 503, "conversion_unavailable", /internal error/],
    ["cut", 503, "conversion_unavailable", /broke off after 100 bytes/],
    ["garbage", 503, "conversion_unavailable", /HTML or XML text, not a JPEG/],
    ["empty", 503, "conversion_unavailable", /not a JPEG/],
  ];
  test.each(cases)("%s: %i %s, and the next conversion is right", async (images, status, code, reason) => {
    const side = 8 + cases.findIndex(([how]) => how === images);
    const avif = await sharp({ create: { width: side, height: 8, channels: 3, background: "red" } })
      .avif()
      .toBuffer();
    await set({ images });
    await expectFailure(status, code, reason, avif);
    await set({});
    await expectRight(avif);
  });
});

// Last, because a store that hangs is then skipped for a while.
describe.sequential("stores that hang", () => {
  test("while the model loads: the reads of the shards wait for them at the same time, once", async () => {
    await set({ cache: "hangs", kv: "hangs" });
    await spoilHeap();
    await expectFailure(503, "model_unavailable", /not finite/);
    await expectRight();
    expect(await worker.logs("model_loaded")).toHaveLength(1);
    await expectRight();
    const failed = await worker.logs("cache_failed");
    expect(failed.map(({ tier }) => tier).sort()).toEqual(["cache-api", "kv", ...Array(4).fill("pack")]);
    for (const { reason } of failed) expect(reason).toMatch(/no answer within 2000 ms; skipped for/);
  });
});

/** The classifier, called through a service binding by another Worker in the same workerd. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sha256Hex } from "../../src/bytes/byte-arrays.ts";
import type { Call, Outcome } from "../support/rpc-consumer/index.ts";
import { exampleImage, servedModel, servedPack, TestWorker } from "../support/worker.ts";

const consumer = "test/support/rpc-consumer/wrangler.toml";
const resnet50 = "@cf/microsoft/resnet-50";
let worker: TestWorker;
let teapot: Uint8Array;

beforeAll(async () => {
  worker = await TestWorker.start({ others: [consumer], vars: { MAX_IMAGE_BYTES: 4_000_000 } });
  teapot = await exampleImage("teapot");
});

afterAll(() => worker?.close());

async function callAll(call: Call, image = teapot): Promise<Outcome[]> {
  const headers = { "X-Call": JSON.stringify(call) };
  const { text } = await worker.ask("rpc-consumer", "/", {
    method: "POST",
    body: image as BodyInit,
    headers,
  });
  return JSON.parse(text) as Outcome[];
}
const call = async (what: Call, image = teapot): Promise<Outcome> => (await callAll(what, image))[0]!;

/** Whether the Cache API has the result of an image under a key on `host`. Writes end after the answer. */
async function isCached(host: string, image: Uint8Array): Promise<boolean> {
  const { version } = (await servedPack()).manifest;
  const url = `https://${host}/v1/cache/${servedModel}/${version}/${await sha256Hex(image)}`;
  const headers = { "X-Call": JSON.stringify({ method: "cached", url } satisfies Call) };
  return (await worker.ask("rpc-consumer", "/", { headers })).text === "true";
}

// First, because the isolate has had no HTTP request yet.
test("an isolate without a host answers without the Cache API; then it uses the host of its HTTP requests", async () => {
  expect((await call({ method: "classify" })).value).toMatchObject({
    ok: true,
    predictions: [{ label: "teapot" }, {}, {}, {}, {}],
  });
  const headers = { "X-Call": JSON.stringify({ method: "fetch" } satisfies Call) };
  expect((await worker.ask("rpc-consumer", "/", { headers })).status).toBe(200);
  const ladybug = await exampleImage("ladybug");
  expect((await call({ method: "classify" }, ladybug)).value).toMatchObject({ ok: true });
  const jellyfish = await exampleImage("jellyfish");
  expect((await worker.classify(jellyfish)).headers.get("X-Cache")).toBe("MISS");
  await expect.poll(() => isCached(worker.url.hostname, jellyfish)).toBe(true);
  const places = [worker.url.hostname, "classifier", "undefined"].flatMap((host) =>
    [teapot, ladybug].map((image) => isCached(host, image)),
  );
  expect(await Promise.all(places)).not.toContain(true);
  expect(await worker.logs("cache_failed")).toEqual([]);
});

describe("classify", () => {
  test.each(["bytes", "buffer"] as const)("of %s returns what the HTTP API returns", async (as) => {
    const { value } = await call({ method: "classify", as });
    const { json } = await worker.classify(teapot);
    expect(value).toEqual({ ok: true, ...json });
    expect(json.predictions).toHaveLength(5);
  });

  test("does not take the caller's bytes", async () => {
    expect((await call({ method: "classify" })).keptBytes).toBe(teapot.length);
  });

  test("accepts topK and functionToApply", async () => {
    const options = { topK: 2, functionToApply: "none" };
    const { value } = await call({ method: "classify", options });
    const { json } = await worker.classify(teapot, "?top_k=2&function_to_apply=none");
    expect(value).toEqual({ ok: true, ...json });
  });

  test.each([
    [{ topK: 0 }, { parameter: "topK", measured: 0, limit: 1 }],
    [{ topK: 201 }, { parameter: "topK", measured: 201, limit: 200 }],
    [{ topK: Number.NaN }, { parameter: "topK" }],
    [{ topK: 1.5 }, { parameter: "topK" }],
    [{ functionToApply: "relu" }, { parameter: "functionToApply" }],
  ])("returns an error for %j", async (options, expected) => {
    const { value } = await call({ method: "classify", options });
    expect(value).toMatchObject({
      ok: false,
      error: { code: "invalid_parameter", status: 400, ...expected },
    });
  });

  test.each([
    ["text instead of bytes", "text", "invalid_parameter", 400],
    ["nothing", "nothing", "invalid_parameter", 400],
    ["a view on a buffer larger than what may be in flight", "view", "image_too_large", 413],
  ] as const)("%s: an error in data", async (_, as, code, status) => {
    const { value } = await call({ method: "classify", as });
    expect(value).toMatchObject({ ok: false, error: { code, status, detail: expect.any(String) } });
  });

  test("returns the HTTP API's error for a file that is no image, a damaged, a too large and an empty one", async () => {
    const codes = [];
    for (const image of [new TextEncoder().encode("hi"), teapot.slice(0, 500), new Uint8Array(4_000_001)]) {
      codes.push((await call({ method: "classify" }, image)).value);
    }
    expect(codes).toMatchObject([
      { ok: false, error: { code: "unsupported_image", status: 415 } },
      { ok: false, error: { code: "image_undecodable", status: 422 } },
      {
        error: { code: "image_too_large", status: 413, measured: 4_000_001, limit: 4_000_000, unit: "bytes" },
      },
    ]);
    expect((await call({ method: "classify" }, new Uint8Array())).value).toMatchObject({
      error: { code: "empty_body", status: 400 },
    });
  });

  test("answers all of forty large images, sent twenty at once", async () => {
    const padded = new Uint8Array(3_000_000);
    padded.set(teapot);
    for (let round = 0; round < 2; round++) {
      const outcomes = await callAll({ method: "classify", times: 20 }, padded);
      expect(new Set(outcomes.map(({ value }) => JSON.stringify(value))).size).toBe(1);
      expect(outcomes[0]!.value).toMatchObject({
        ok: true,
        predictions: [{ label: "teapot" }, {}, {}, {}, {}],
      });
    }
    expect((await worker.classify(teapot)).status).toBe(200);
  });

  test("logs one line per call, without the image", async () => {
    worker.clearLogs();
    await call({ method: "classify" });
    expect(await worker.logs("rpc")).toMatchObject([
      { method: "classify", code: "ok", cache: "HIT", bytes: teapot.length },
    ]);
  });
});

describe("embed", () => {
  test("returns the features of the HTTP API as float32", async () => {
    const { value, embeddingKind } = await call({ method: "embed" });
    const { json } = await worker.get("/v1/embed", { method: "POST", body: teapot as BodyInit });
    expect(value).toEqual({ ok: true, ...json });
    expect(embeddingKind).toBe("Float32Array");
  });

  test("normalises on request, and refuses another norm", async () => {
    const { value } = await call({ method: "embed", options: { normalize: "l2" } });
    const { embedding } = value as { embedding: number[] };
    expect(embedding.reduce((sum, x) => sum + x * x, 0)).toBeCloseTo(1, 5);
    const refused = await call({ method: "embed", options: { normalize: "l1" } });
    expect(refused.value).toMatchObject({ ok: false, error: { parameter: "normalize", status: 400 } });
  });
});

describe("run, compatible with the Workers AI binding", () => {
  test.each([resnet50, servedModel])("%s with an array of numbers gives labels and scores", async (model) => {
    const { value } = await call({ method: "run", model, as: "numbers" });
    const { json } = await worker.classify(teapot);
    const predictions = json.predictions as { label: string; score: number }[];
    expect(value).toEqual(predictions.map(({ label, score }) => ({ label, score })));
  });

  test("accepts bytes", async () => {
    expect((await call({ method: "run", model: resnet50 })).value).toMatchObject([
      { label: "teapot" },
      {},
      {},
      {},
      {},
    ]);
  });

  test("throws like env.AI, with the code in the message", async () => {
    expect((await call({ method: "run", model: "@cf/other/model" })).threw).toMatch(
      /unknown_model: .*@cf\/microsoft\/resnet-50 or small/,
    );
    expect((await call({ method: "run", model: resnet50, as: "text" })).threw).toMatch(
      /^invalid_parameter: image/,
    );
    const broken = await call({ method: "run", model: resnet50, as: "numbers" }, teapot.slice(0, 500));
    expect(broken.threw).toMatch(/^image_undecodable: /);
  });

  test("refuses an array of more numbers than memory allows, with both numbers", async () => {
    const { threw } = await call(
      { method: "run", model: resnet50, as: "numbers" },
      new Uint8Array(2_000_000),
    );
    expect(threw).toMatch(/^image_too_large: .*2000000 bytes; the limit is 1864135/);
  });
});

test("fetch of the binding serves the whole HTTP API", async () => {
  const headers = { "X-Call": JSON.stringify({ method: "fetch" } satisfies Call) };
  const { status, json } = await worker.ask("rpc-consumer", "/", { headers });
  expect([status, json.name]).toEqual([200, servedModel]);
});

// Last, because it starts another isolate.
test("with CACHE_HOST, calls and HTTP requests use the Cache API on that host, where its entries are 404", async () => {
  const host = "classify.example.com";
  await worker.restart({ CACHE_HOST: host });
  expect((await call({ method: "classify" })).value).toMatchObject({
    ok: true,
    predictions: [{ label: "teapot" }, {}, {}, {}, {}],
  });
  await expect.poll(() => isCached(host, teapot)).toBe(true);
  const ladybug = await exampleImage("ladybug");
  expect((await worker.classify(ladybug)).headers.get("X-Cache")).toBe("MISS");
  await expect.poll(() => isCached(host, ladybug)).toBe(true);
  expect(await isCached(worker.url.hostname, ladybug)).toBe(false);
  const { version } = (await servedPack()).manifest;
  const entry = `/v1/cache/${servedModel}/${version}/${await sha256Hex(teapot)}`;
  const { status, json, headers } = await worker.get(entry);
  expect([status, json.code, headers.get("Cache-Control")]).toEqual([404, "not_found", "no-store"]);
});

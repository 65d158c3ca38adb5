/** What a caller sees of a working Worker. */
import { createHash } from "node:crypto";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { maxInFlightBytes } from "../../src/limits.ts";
import { embeddedModel, embeddedPack, exampleImage, TestWorker } from "../support/worker.ts";

const MiB = 2 ** 20;
const classes = ["espresso", "jellyfish", "ladybug", "teapot"];
let worker: TestWorker;
let version: string;

beforeAll(async () => {
  version = (await embeddedPack()).manifest.version;
  worker = await TestWorker.start({ pack: "embedded" });
});

afterAll(() => worker?.close());

/** Draws an image that no other test sends, from a pseudo-random sequence. */
function freshImage(seed: number): Promise<Buffer> {
  let state = seed + 1;
  const pixels = Uint8Array.from({ length: 90 * 70 * 3 }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 24;
  });
  return sharp(pixels, { raw: { width: 90, height: 70, channels: 3 } })
    .jpeg()
    .toBuffer();
}

const top = (json: Record<string, unknown>) => (json.predictions as { label: string; score: number }[])[0];

describe("a cold Worker", () => {
  test("answers /healthz without loading anything", async () => {
    const { status, json } = await worker.get("/healthz");
    expect([status, json]).toEqual([200, { status: "ok" }]);
    expect(await worker.logs("model_loaded")).toEqual([]);
  });

  test("loads once for ten concurrent first requests: one R2 read per object of the pack", async () => {
    const images = await Promise.all(Array.from({ length: 10 }, (_, i) => freshImage(i)));
    const answers = await Promise.all(images.map((image) => worker.classify(image)));
    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200));
    const { manifest } = await embeddedPack();
    const loads = await worker.logs("model_loaded");
    expect(loads).toHaveLength(1);
    // current.json, manifest.json, labels.json and the shards.
    expect(loads[0]).toMatchObject({ r2_reads: 3 + manifest.shards.length, shards: manifest.shards.length });
  });

  test("reports what it has loaded", async () => {
    const { status, json, headers } = await worker.get("/readyz");
    expect(status).toBe(200);
    expect(json).toEqual({
      ready: true,
      model: { name: embeddedModel, version },
      engine: "simd",
      shards: (await embeddedPack()).manifest.shards.length,
      wasm_heap_bytes: expect.any(Number),
      in_flight: { permits: 0, permit_bytes: 0, capacity_bytes: maxInFlightBytes, waiting: 0 },
    });
    expect(headers.get("Cache-Control")).toBe("no-store");
  });
});

describe("POST /v1/classify", () => {
  test.each(classes)("recognises the %s in the example picture", async (label) => {
    const image = await exampleImage(label);
    const { width, height } = await sharp(image).metadata();
    const { status, json, headers } = await worker.classify(image, "?top_k=3");
    expect(status).toBe(200);
    expect(headers.get("Content-Type")).toBe("application/json");
    expect(json.model).toEqual({ name: embeddedModel, version });
    expect(json.image).toEqual({ sha256: createHash("sha256").update(image).digest("hex"), width, height });
    expect(json.predictions).toHaveLength(3);
    expect(top(json)).toMatchObject({ label, id: expect.stringMatching(/^n\d{8}$/) });
    expect(top(json)?.score).toBeGreaterThan(0.9);
    expect(json.confident).toBe(true);
  });

  test("returns five predictions by default and all on request, sorted by score, which add up to one", async () => {
    const image = await freshImage(1000);
    expect((await worker.classify(image)).json.predictions).toHaveLength(5);
    const all = (await worker.classify(image, "?top_k=200")).json.predictions as {
      score: number;
      index: number;
    }[];
    expect(all.reduce((sum, { score }) => sum + score, 0)).toBeCloseTo(1, 4);
    expect(all.map(({ score }) => score)).toEqual(all.map(({ score }) => score).sort((a, b) => b - a));
    expect(new Set(all.map(({ index }) => index)).size).toBe(200);
  });

  test("the same image again is a hit with the same body, and a hit serves every top_k", async () => {
    const image = await freshImage(2000);
    const miss = await worker.classify(image);
    const hit = await worker.classify(image);
    expect([miss, hit].map(({ headers }) => headers.get("X-Cache"))).toEqual(["MISS", "HIT"]);
    expect(hit.text).toBe(miss.text);
    const one = await worker.classify(image, "?top_k=1");
    expect(one.headers.get("X-Cache")).toBe("HIT");
    expect((one.json.predictions as unknown[])[0]).toEqual((miss.json.predictions as unknown[])[0]);
  });

  test("concurrent equal images are computed once and get the same answer", async () => {
    const image = await freshImage(3000);
    const answers = await Promise.all(Array.from({ length: 8 }, () => worker.classify(image)));
    const caches = answers.map(({ headers }) => headers.get("X-Cache")).sort();
    expect(caches.filter((cache) => cache === "MISS")).toHaveLength(1);
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
  });

  test("classifies grey, CMYK, progressive and one-pixel JPEGs", async () => {
    const photo = sharp(await exampleImage("teapot"));
    const kinds = {
      grey: await photo.clone().grayscale().jpeg().toBuffer(),
      cmyk: await photo.clone().resize(400).toColourspace("cmyk").jpeg().toBuffer(),
      progressive: await photo.clone().jpeg({ progressive: true }).toBuffer(),
      pixel: await photo.clone().resize(1, 1).jpeg().toBuffer(),
    };
    const labels: Record<string, string | undefined> = {};
    for (const [kind, image] of Object.entries(kinds)) {
      const { status, json } = await worker.classify(image);
      expect(status, kind).toBe(200);
      labels[kind] = top(json)?.label;
    }
    expect(labels).toMatchObject({ cmyk: "teapot", progressive: "teapot" });
  });

  test("reports its stages in Server-Timing and in one log line without image content", async () => {
    worker.clearLogs();
    const image = await freshImage(4000);
    const { headers } = await worker.classify(image, "?top_k=2", { "X-Request-Id": "caller-7" });
    for (const stage of ["read", "hash", "model", "cache", "image", "load", "run", "total"]) {
      expect(headers.get("Server-Timing")).toMatch(new RegExp(`(^|,)\\s*${stage};dur=`));
    }
    expect(headers.get("X-Request-Id")).toBe("caller-7");
    const lines = await worker.logs("request");
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({
      id: "caller-7",
      method: "POST",
      path: "/v1/classify",
      status: 200,
      code: "ok",
      cache: "MISS",
      bytes: image.length,
      model: `${embeddedModel}/${version}`,
      stages_ms: { run: expect.any(Number) },
    });
  });
});

describe("GET", () => {
  test("/v1/model describes the served model", async () => {
    const { json } = await worker.get("/v1/model");
    expect(json).toMatchObject({
      name: embeddedModel,
      version,
      classes: 200,
      precision: "int8",
      input: { shape: [1, 3, 96, 96] },
      preprocessing: { resize: "shortest-edge", crop: 96 },
    });
  });

  test("/v1/labels lists index, id, label and group of every class", async () => {
    const { json } = await worker.get("/v1/labels");
    expect(json.model).toEqual({ name: embeddedModel, version });
    expect(json.labels).toHaveLength(200);
    const teapot = { index: 160, id: "n04398044", label: "teapot", group: "Home and kitchen" };
    expect((json.labels as unknown[])[160]).toEqual(teapot);
  });

  test.each(["/v1/model", "/v1/labels"])("%s has an ETag that gives 304", async (pathname) => {
    const etag = (await worker.get(pathname)).headers.get("ETag");
    expect(etag).toMatch(/^"[0-9a-f]+"$/);
    const again = await worker.get(pathname, { headers: { "If-None-Match": etag! } });
    expect([again.status, again.text]).toEqual([304, ""]);
    const head = await worker.get(pathname, { method: "HEAD" });
    expect([head.status, head.text, head.headers.get("ETag")]).toEqual([200, "", etag]);
  });
});

describe("memory", () => {
  test("ORT's heap is at most 42 MiB, and the same after 100 requests", async () => {
    const heapBytes = async () => (await worker.get("/readyz")).json.wasm_heap_bytes as number;
    const before = await heapBytes();
    for (let i = 0; i < 100; i += 10) {
      const images = await Promise.all(Array.from({ length: 10 }, (_, j) => freshImage(5000 + i + j)));
      const answers = await Promise.all(images.map((image) => worker.classify(image)));
      expect(
        answers.every(({ status, headers }) => status === 200 && headers.get("X-Cache") === "MISS"),
      ).toBe(true);
    }
    expect(await heapBytes()).toBe(before);
    expect(before).toBeGreaterThan(20 * MiB);
    // It is 50 MiB if the first shard loads first.
    expect(before).toBeLessThanOrEqual(42 * MiB);
  });
});

/** A bucket with missing or damaged files: 503 with the reason, and the next request tries again. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LocalPack } from "../../cli/store/local-pack.ts";
import { type Manifest, manifestVersion } from "../../src/model/manifest.ts";
import { exampleImage, servedModel, servedPack, TestWorker } from "../support/worker.ts";

let worker: TestWorker;
let pack: LocalPack;
let teapot: Uint8Array;

beforeAll(async () => {
  pack = await servedPack();
  teapot = await exampleImage("teapot");
  worker = await TestWorker.start({ seeded: false });
});

afterAll(() => worker?.close());

const key = (file: string, version = pack.manifest.version) => `${servedModel}/${version}/${file}`;

async function expectUnavailable(reason: RegExp): Promise<void> {
  for (const answer of [await worker.classify(teapot), await worker.get("/readyz")]) {
    expect(answer.headers.get("Content-Type")).toBe("application/problem+json");
    expect(answer.json).toMatchObject({ status: 503, code: "model_unavailable" });
    expect(answer.json.detail).toMatch(reason);
    expect(answer.status).toBe(503);
    expect(answer.headers.get("Retry-After")).toMatch(/^[1-9]\d*$/);
  }
}

/** Makes a version live that differs from the embedded pack by `change`. Its hash and its files are valid. */
async function pushChanged(change: (manifest: Manifest) => unknown): Promise<string> {
  const manifest = structuredClone(pack.manifest);
  const changed = (change(manifest) ?? manifest) as Record<string, unknown>;
  const version = await manifestVersion(changed);
  for (const { name } of pack.files.slice(0, -1)) {
    await worker.bucket.put(key(name, version), await readFile(path.join(pack.folder, name)));
  }
  await worker.bucket.put(key("manifest.json", version), JSON.stringify({ ...changed, version }));
  const current = { format: 1, name: servedModel, version, history: [] };
  await worker.bucket.put(`${servedModel}/current.json`, JSON.stringify(current));
  return version;
}

// One isolate meets all of these failures, and must recover from each.
describe.sequential("a bucket", () => {
  test("that is empty: a 503 that says what to do; /healthz still answers", async () => {
    await expectUnavailable(/no object small\/current\.json; push the pack/);
    expect((await worker.get("/healthz")).status).toBe(200);
  });

  test("whose current.json is garbage", async () => {
    await worker.bucket.put(`${servedModel}/current.json`, "{");
    await expectUnavailable(/current\.json is not JSON/);
  });

  test("with a manifest of a newer format", async () => {
    await pushChanged((manifest) => ({ ...manifest, format: 3 }));
    await expectUnavailable(/has format 3; this version reads formats 1 and 2/);
  });

  test("with a preprocessing that this Worker does not support", async () => {
    await pushChanged((manifest) => ({
      ...manifest,
      preprocessing: { ...manifest.preprocessing, interpolation: "bicubic" },
    }));
    await expectUnavailable(/preprocessing\.interpolation/);
  });

  test("with a missing shard", async () => {
    await worker.seed(pack);
    await worker.bucket.delete(key("shard-02.onnx"));
    await expectUnavailable(/no object small\/[0-9a-f]{16}\/shard-02\.onnx/);
  });

  test("with a shard that has the wrong hash", async () => {
    const bytes = new Uint8Array(await readFile(path.join(pack.folder, "shard-02.onnx")));
    bytes[bytes.length >> 1] = bytes[bytes.length >> 1]! ^ 1;
    await worker.bucket.put(key("shard-02.onnx"), bytes);
    await expectUnavailable(/shard-02\.onnx has SHA-256 [0-9a-f]{64}; expected [0-9a-f]{64}/);
  });

  test("with a truncated shard", async () => {
    const bytes = new Uint8Array(await readFile(path.join(pack.folder, "shard-02.onnx")));
    await worker.bucket.put(key("shard-02.onnx"), bytes.slice(0, 1000));
    await expectUnavailable(/shard-02\.onnx has 1000 bytes; expected/);
  });

  test("with a shard that is not an ONNX file, although its hash is right", async () => {
    const file = "shard-01.onnx";
    const garbage = new Uint8Array(1000).fill(7);
    const sha256 = Buffer.from(await crypto.subtle.digest("SHA-256", garbage)).toString("hex");
    const version = await pushChanged((manifest) => {
      const shards = manifest.shards.map((shard) =>
        shard.file === file ? { ...shard, bytes: garbage.length, sha256 } : shard,
      );
      return { ...manifest, shards };
    });
    await worker.bucket.put(key(file, version), garbage);
    await expectUnavailable(/shard-01\.onnx is not an ONNX file/);
  });

  test("that is repaired serves the next request, and the heap has not grown", async () => {
    const current = { format: 1, name: servedModel, version: pack.manifest.version, history: [] };
    await worker.bucket.delete(key("shard-02.onnx"));
    await worker.seed(pack);
    await worker.bucket.put(`${servedModel}/current.json`, JSON.stringify(current));
    const answer = await worker.classify(teapot);
    expect(answer.status).toBe(200);
    expect(answer.json.predictions).toMatchObject([{ label: "teapot" }, {}, {}, {}, {}]);
    expect(answer.headers.get("X-Cache")).toBe("MISS");
    expect((await worker.get("/readyz")).json.wasm_heap_bytes).toBeLessThanOrEqual(64 * 2 ** 20);
  });

  test("logs each failed load once, with its reason", async () => {
    const failures = await worker.logs("model_load_failed");
    expect(failures.length).toBeGreaterThanOrEqual(8);
    expect(failures.every(({ reason }) => String(reason).length > 30)).toBe(true);
    expect(await worker.logs("model_loaded")).toHaveLength(1);
  });
});

test("when the first client disconnects, the load continues for later clients", async () => {
  const cold = await TestWorker.start();
  try {
    const gone = AbortSignal.timeout(30);
    const first = fetch(new URL("/v1/classify", cold.url), {
      method: "POST",
      body: teapot as BodyInit,
      signal: gone,
    });
    await expect(first).rejects.toThrow();
    const answers = await Promise.all([cold.classify(teapot), cold.get("/readyz"), cold.classify(teapot)]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  } finally {
    await cold.close();
  }
});

/** A new version goes live under load: no request fails, and each answer comes from exactly one version. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { manifestVersion } from "../../src/model/manifest.ts";
import { exampleImage, servedModel, servedPack, TestWorker } from "../support/worker.ts";

const MiB = 2 ** 20;
let worker: TestWorker;

beforeAll(async () => {
  worker = await TestWorker.start({ vars: { MODEL_REFRESH_SECONDS: 1 } });
});

afterAll(() => worker?.close());

/** Writes the embedded pack with renamed labels, which give it another version and recognisable answers. */
async function pushRenamed(prefix: string, breakShard = false): Promise<string> {
  const { manifest, files, folder } = await servedPack();
  const read = async (name: string) => new Uint8Array(await readFile(path.join(folder, name)));
  const old = JSON.parse(new TextDecoder().decode(await read("labels.json"))) as {
    id: string;
    label: string;
  }[];
  const labels = Buffer.from(
    JSON.stringify(old.map(({ id, label }) => ({ id, label: `${prefix} ${label}` }))),
  );
  const sha256 = Buffer.from(await crypto.subtle.digest("SHA-256", labels)).toString("hex");
  const changed = { ...manifest, labels: { file: "labels.json", bytes: labels.length, sha256 } };
  const version = await manifestVersion(changed);
  const put = (name: string, bytes: Uint8Array | string) =>
    worker.bucket.put(`${servedModel}/${version}/${name}`, bytes);
  for (const { name } of files) if (name.startsWith("shard")) await put(name, await read(name));
  if (breakShard) await put("shard-03.onnx", new Uint8Array(100));
  await put("labels.json", labels);
  await put("manifest.json", JSON.stringify({ ...changed, version }));
  const current = { format: 1, name: servedModel, version, history: [] };
  await worker.bucket.put(`${servedModel}/current.json`, JSON.stringify(current));
  return version;
}

/** Sends images that are in no cache until `version` answers one. All must be answered. */
async function trafficUntil(version: string | undefined, seconds: number): Promise<Set<string>> {
  const teapot = await exampleImage("teapot");
  const seen = new Set<string>();
  const deadline = Date.now() + seconds * 1000;
  while (Date.now() < deadline) {
    // Different images that wait for each other, each sent twice.
    const images = Array.from({ length: 6 }, () => {
      const padded = new Uint8Array(teapot.length + 16);
      padded.set(teapot);
      crypto.getRandomValues(padded.subarray(teapot.length));
      return padded;
    });
    const [model, ...answers] = await Promise.all([
      worker.get("/v1/model"),
      ...[...images, ...images].map((image) => worker.classify(image)),
    ]);
    expect([model, ...answers].map(({ status }) => status)).toEqual(new Array(13).fill(200));
    const named = answers.map(({ json }) => {
      const [top] = json.predictions as { label: string }[];
      const { version: by } = json.model as { version: string };
      seen.add(`${by} ${top?.label}`);
      return by;
    });
    if (version !== undefined && named.includes(version)) return seen;
  }
  expect(version, "the version should have gone live by now").toBeUndefined();
  return seen;
}

test("five versions go live in turn, and every answer has the labels of the version that it names", async () => {
  const labelOf = new Map([[(await servedPack()).manifest.version, "teapot"]]);
  await worker.classify(await exampleImage("teapot"));
  for (const prefix of ["one", "two", "three", "four", "five"]) {
    const version = await pushRenamed(prefix);
    labelOf.set(version, `${prefix} teapot`);
    const seen = await trafficUntil(version, 20);
    for (const answer of seen) {
      const [named, ...label] = answer.split(" ");
      expect(label.join(" ")).toBe(labelOf.get(named!));
    }
  }
  expect((await worker.get("/readyz")).json.wasm_heap_bytes).toBeLessThanOrEqual(64 * MiB);
  expect(await worker.logs("model_loaded")).toHaveLength(6);
});

test("if a version does not load, the previous one stays in service", async () => {
  const broken = await pushRenamed("broken", true);
  const seen = await trafficUntil(undefined, 4);
  expect([...seen].some((answer) => answer.startsWith(broken))).toBe(false);
  expect([...seen][0]).toMatch(/five teapot$/);
  expect(await worker.logs("model_load_failed")).toMatchObject([{ version: broken }]);
  expect((await worker.get("/readyz")).json.wasm_heap_bytes).toBeLessThanOrEqual(64 * MiB);
});

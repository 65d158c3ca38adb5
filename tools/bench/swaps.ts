/** New versions that go live while the Worker runs: ORT's heap never shrinks, so each must fit where the last one was. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { createTestHarness } from "wrangler";
import { type Label, manifestVersion } from "../../src/model/manifest.ts";
import type { PackBucket } from "../store/bucket.ts";
import { makeLive } from "../store/current.ts";
import { embeddedEnv } from "../store/local-bucket.ts";
import type { LocalPack } from "../store/local-pack.ts";
import { projectFolder } from "../store/platform-config.ts";
import type { BenchContext } from "./context.ts";

const swapTimeoutMs = 60_000;

/** Bytes of ORT's heap after each of `times` swaps. */
export async function measureSwaps(context: BenchContext, times: number): Promise<number[]> {
  Object.assign(process.env, embeddedEnv);
  const { pack } = context.model;
  const vars = { MODEL_NAME: pack.manifest.name, MODEL_REFRESH_SECONDS: 1 };
  const worker = { configPath: "wrangler.toml", prebuiltWorkerDir: context.ourBundle.folder, vars };
  const server = createTestHarness({ root: projectFolder, workers: [worker] });
  try {
    const { url } = await server.listen();
    const { MODELS } = await server.getWorker<{ MODELS: PackBucket }>().getEnv();
    await waitFor(url, await pushRelabelled(MODELS, pack, 0));
    const heapBytes: number[] = [];
    for (let swap = 1; swap <= times; swap++) {
      heapBytes.push(await waitFor(url, await pushRelabelled(MODELS, pack, swap)));
    }
    return heapBytes;
  } finally {
    await server.close();
  }
}

/** The pack with other labels, which makes it another version: all weights are loaded anew. */
async function pushRelabelled(bucket: PackBucket, pack: LocalPack, number: number): Promise<string> {
  const { name } = pack.manifest;
  const read = (file: string) => readFile(path.join(pack.folder, file));
  const labels = JSON.parse(String(await read(pack.manifest.labels.file))) as Label[];
  const renamed = Buffer.from(
    JSON.stringify(labels.map((label) => ({ ...label, label: `${label.label} ${number}` }))),
  );
  const sha256 = createHash("sha256").update(renamed).digest("hex");
  const file = pack.manifest.labels.file;
  const manifest = { ...pack.manifest, labels: { file, bytes: renamed.length, sha256 } };
  const version = await manifestVersion(manifest);
  for (const shard of manifest.shards)
    await bucket.put(`${name}/${version}/${shard.file}`, await read(shard.file));
  await bucket.put(`${name}/${version}/${file}`, renamed);
  await bucket.put(`${name}/${version}/manifest.json`, JSON.stringify({ ...manifest, version }));
  await makeLive(bucket, name, version);
  return version;
}

/** Asks until that version is served; then the bytes of ORT's heap. */
async function waitFor(url: URL, version: string): Promise<number> {
  const deadline = Date.now() + swapTimeoutMs;
  while (Date.now() < deadline) {
    // Only requests for an answer have the bucket asked what is live; /readyz does not.
    await (await fetch(new URL("/v1/model", url))).arrayBuffer();
    const response = await fetch(new URL("/readyz", url));
    const body = (await response.json()) as { model?: { version: string }; wasm_heap_bytes?: number };
    if (body.model?.version === version && body.wasm_heap_bytes) return body.wasm_heap_bytes;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`version ${version} is not served after ${swapTimeoutMs / 1000} s`);
}

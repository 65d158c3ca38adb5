/** Measures ORT's heap while new versions go live. The heap never shrinks, so each version must reuse the memory of the last. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import path from "node:path";
import type { PackBucket } from "../cli/store/bucket.ts";
import { makeLive } from "../cli/store/current.ts";
import type { LocalPack } from "../cli/store/local-pack.ts";
import { bucketOf, harnessOf } from "../cli/workerd/embedded-worker.ts";
import { type Label, manifestVersion } from "../src/model/manifest.ts";
import type { BenchContext } from "./context.ts";
import { repeat } from "./requests.ts";

const swapTimeoutMs = 60_000;

/** Returns the bytes of ORT's heap after each of `times` swaps. */
export async function measureSwaps(context: BenchContext, times: number): Promise<number[]> {
  const { pack } = context.model;
  const vars = { MODEL_NAME: pack.manifest.name, MODEL_REFRESH_SECONDS: 1 };
  const server = harnessOf({ prebuiltWorkerDir: context.ourBundle.folder, vars });
  try {
    const { url } = await server.listen();
    const bucket = await bucketOf(server);
    const loads = await repeat(times + 1, async (i) => waitFor(url, await pushRelabelled(bucket, pack, i)));
    return loads.slice(1);
  } finally {
    await server.close();
  }
}

/** Pushes the pack with other labels. That makes a new version, so the Worker loads all weights again. */
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

/** Waits until the Worker serves that version. @returns the bytes of ORT's heap */
async function waitFor(url: URL, version: string): Promise<number> {
  const deadline = Date.now() + swapTimeoutMs;
  while (Date.now() < deadline) {
    // /readyz does not check the bucket for a new version, but this does.
    await (await fetch(new URL("/v1/model", url))).arrayBuffer();
    const response = await fetch(new URL("/readyz", url));
    const body = (await response.json()) as { model?: { version: string }; wasm_heap_bytes?: number };
    if (body.model?.version === version && body.wasm_heap_bytes) return body.wasm_heap_bytes;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`version ${version} is not served after ${swapTimeoutMs / 1000} s`);
}

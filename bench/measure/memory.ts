/** Measures the memory of an isolate at its two largest: eight large photos at once, and new versions that go live. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { PackBucket } from "../../cli/store/bucket.ts";
import { makeLive } from "../../cli/store/current.ts";
import type { LocalPack } from "../../cli/store/local-pack.ts";
import { bucketOf, harnessOf } from "../../cli/workerd/embedded-worker.ts";
import { type Label, manifestVersion } from "../../src/model/manifest.ts";
import { withPeakJsBytes } from "../common/memory-watch.ts";
import { ask, ortHeapBytes, readReadiness, repeat } from "../common/requests.ts";
import { withWorker } from "../common/workers.ts";
import { fourToThree, photo, readPhoto, scenes } from "../pictures/photos.ts";
import type { Bench } from "./setup.ts";

const swapTimeoutMs = 60_000;

/** Sends eight different photos of 12 and 24 megapixels at once, half of them progressive, to a fresh Worker. */
export async function measureBurst({ workers }: Bench) {
  const photos = await repeat(8, (i) => {
    const [scene, megapixels, progressive] = [scenes[i % scenes.length]!, i < 4 ? 12 : 24, i % 2 === 1];
    const name = `${scene}, ${megapixels} MP${progressive ? ", progressive" : ""}`;
    return photo(name, { ...fourToThree(megapixels), progressive, scene });
  });
  const bodies = await Promise.all(photos.map(readPhoto));
  return withWorker(workers.ours, async (worker) => {
    await ortHeapBytes(worker.url);
    const send = (body: Uint8Array) =>
      ask(`${worker.url}/v1/classify`, { method: "POST", body: body as BodyInit });
    const [answers, peakBytes] = await withPeakJsBytes(worker, () => Promise.all(bodies.map(send)));
    return {
      photos: photos.map(({ name, bytes }) => ({ name, bytes })),
      statuses: answers.map(({ status }) => status),
      seconds: Math.max(...answers.map(({ ms }) => ms)) / 1000,
      ortHeapBytes: await ortHeapBytes(worker.url),
      /** The largest usedSize + backingStorageSize that the inspector reported. */
      peakJsBytes: peakBytes,
      /** VmHWM of the whole workerd process, with code, unused heap and garbage. 0 where it is unknown. */
      peakProcessBytes: (await worker.peakProcessBytes()) ?? 0,
    };
  });
}

/**
 * Makes new versions live. The WASM memory never shrinks, so each version must reuse the memory of the last.
 * @returns the bytes of WASM memory after each of `times` swaps
 */
export async function measureSwaps({ model: { pack }, workers }: Bench, times: number): Promise<number[]> {
  const vars = { MODEL_NAME: pack.manifest.name, MODEL_REFRESH_SECONDS: 1 };
  const server = harnessOf({ prebuiltWorkerDir: workers.ours.bundle.folder, vars });
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
  const { name, shards, labels } = pack.manifest;
  const read = (file: string) => readFile(path.join(pack.folder, file));
  const old = JSON.parse(String(await read(labels.file))) as Label[];
  const renamed = Buffer.from(
    JSON.stringify(old.map((label) => ({ ...label, label: `${label.label} ${number}` }))),
  );
  const sha256 = createHash("sha256").update(renamed).digest("hex");
  const manifest = { ...pack.manifest, labels: { file: labels.file, bytes: renamed.length, sha256 } };
  const version = await manifestVersion(manifest);
  for (const { file } of shards) await bucket.put(`${name}/${version}/${file}`, await read(file));
  await bucket.put(`${name}/${version}/${labels.file}`, renamed);
  await bucket.put(`${name}/${version}/manifest.json`, JSON.stringify({ ...manifest, version }));
  await makeLive(bucket, name, version);
  return version;
}

/** Waits until the Worker serves that version. @returns the bytes of WASM memory */
async function waitFor(url: URL, version: string): Promise<number> {
  const deadline = Date.now() + swapTimeoutMs;
  while (Date.now() < deadline) {
    // /readyz does not check the bucket for a new version, but this does.
    await ask(new URL("/v1/model", url));
    const { model, wasm_heap_bytes } = await readReadiness(url);
    if (model?.version === version && wasm_heap_bytes) return wasm_heap_bytes;
    await sleep(100);
  }
  throw new Error(`the Worker does not serve version ${version} after ${swapTimeoutMs / 1000} s`);
}

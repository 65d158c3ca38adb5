/**
 * Prints the files of src/ in which code runs while the app of tiny-app.ts, with the SIMD engine and the embedded pack,
 * answers a JPEG that is not in its warm cache, one per line. A program of its own, because Vitest transforms modules, which adds functions to them.
 */

import { readFile } from "node:fs/promises";
import { Session } from "node:inspector/promises";
import path from "node:path";
import sharp from "sharp";
import { packsFolder, readLocalPack } from "../../cli/store/local-pack.ts";
import { defaultModelName } from "../../src/default-model.ts";
import { SimdEngine } from "../../src/model/simd/simd-engine.ts";
import { compileKernels } from "./kernels.ts";
import { MemoryBucket } from "./memory-bucket.ts";
import { TinyApp } from "./tiny-app.ts";

const src = new URL("../../src/", import.meta.url).href;
const bucket = new MemoryBucket();
const pack = await readLocalPack(path.join(packsFolder, defaultModelName));
const { name, version } = pack.manifest;
for (const { name: file } of pack.files)
  bucket.objects.set(`${name}/${version}/${file}`, await readFile(path.join(pack.folder, file)));
bucket.json(`${name}/current.json`, { format: 1, name, version, history: [] });
const app = new TinyApp(bucket, { MODEL_NAME: name }, new SimdEngine(await compileKernels()));

/** Classifies a small JPEG of noise whose red is `level`. */
async function classify(level: number): Promise<void> {
  const noise = { type: "gaussian", mean: 128, sigma: 30 } as const;
  const background = { r: level, g: 100, b: 20 };
  const picture = sharp({ create: { width: 160, height: 120, channels: 3, background, noise } });
  const body = new Uint8Array(await picture.jpeg().toBuffer());
  const headers = { "Content-Type": "image/jpeg", "Content-Length": String(body.length) };
  const request = new Request("http://localhost/v1/classify", { method: "POST", body, headers });
  const response = await app.fetch(request);
  if (response.headers.get("X-Cache") !== "MISS") throw new Error(`${response.status}; expected a miss`);
  await app.settled();
}

await classify(10);
const session = new Session();
session.connect();
await session.post("Profiler.enable");
await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: false });
await classify(200);
const { result } = await session.post("Profiler.takePreciseCoverage");
const executed = result.filter(({ functions }) => functions.some(({ ranges }) => ranges[0]!.count > 0));
for (const { url } of executed) if (url.startsWith(src)) console.log(`src/${url.slice(src.length)}`);

/**
 * Prints the files of src/ in which code runs while the app of tiny-app.ts answers a JPEG that is not in its warm cache, one
 * per line. A program of its own, because Vitest transforms modules, which adds functions to them.
 */
import { Session } from "node:inspector/promises";
import sharp from "sharp";
import { MemoryBucket } from "./memory-bucket.ts";
import { TinyApp } from "./tiny-app.ts";
import { seedTinyPack } from "./tiny-pack.ts";

const src = new URL("../../src/", import.meta.url).href;
const bucket = new MemoryBucket();
await seedTinyPack(bucket);
const app = new TinyApp(bucket);

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

/** Checks Cloudflare's limits: the size of the bundle, the size of an image, and, for the check of packs, the memory. */
import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import {
  maxImageBytesCeiling,
  maxInFlightBytes,
  requestOverheadBytes,
  smallRequestBytes,
} from "../../src/limits.ts";
import type { EngineName } from "../../src/model/engine.ts";
import type { Manifest } from "../../src/model/manifest.ts";
import { enginesFor, type Heap, heapTexts, mebibytes } from "../pack/heap.ts";
import { readProjectConfig } from "../store/platform-config.ts";
import { broken, type Finding, ok, type Target, warning } from "./finding.ts";

const MiB = 2 ** 20;
/** Cloudflare's limit of a Worker's files, uncompressed. */
const maxBundleBytes = 64 * MiB;

/** Checks the bundle and the image size against the limits. */
export async function checkLimits({ folder }: Target): Promise<Finding[]> {
  return [...(await bundleFindings(folder)), ...imageFindings(folder)];
}

/**
 * Compares the WASM memory that a pack takes with the model's share of the Worker's memory.
 * @param engine the deployment's ENGINE
 */
export function heapFinding(
  { name, precision }: Pick<Manifest, "name" | "precision">,
  heap: Heap,
  engine: EngineName,
): Finding {
  const share = `WASM memory: ${heapTexts(heap).join("; ")}`;
  const engines = enginesFor(heap);
  // The engine that is not set runs what the other one does not.
  const used = engine === "simd" && heap.simd === null ? "onnxruntime" : engine;
  if (engines.includes(used)) return ok(`${name} fits the Worker with ${used} (${share})`);
  if (engines[0])
    return broken(`${name} does not fit with ${used} (${share})`, `set ENGINE = "${engines[0]}"`);
  return broken(
    `${name} does not fit the Worker (${share})`,
    precision === "int8"
      ? "pack a smaller network, such as ResNet34, or a smaller input"
      : "pack it with --precision int8",
  );
}

async function bundleFindings(folder: string): Promise<Finding[]> {
  const dist = path.join(folder, "dist");
  const files = await readdir(dist).catch(() => []);
  // Wrangler also writes source maps and a README to dist, and does not upload them.
  const uploaded = files.filter((file) => /\.(js|wasm)$/.test(file));
  if (uploaded.length === 0) return [];
  const sizes = await Promise.all(uploaded.map(async (file) => (await stat(path.join(dist, file))).size));
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  const what = `the bundle in dist has ${mebibytes(bytes)}, of ${mebibytes(maxBundleBytes)}`;
  if (bytes <= maxBundleBytes) return [ok(what)];
  const fix = "rm -r dist && npm run build; then see which import added the rest";
  return [broken(`${what}: Cloudflare refuses it`, fix)];
}

function imageFindings(folder: string): Finding[] {
  let bytes: number;
  try {
    bytes = Number(readProjectConfig(folder).vars.MAX_IMAGE_BYTES);
  } catch {
    return [];
  }
  // Unset means the default. The check of settings reports an invalid value.
  if (!(bytes > 0)) return [];
  const what = `MAX_IMAGE_BYTES is ${mebibytes(bytes)}`;
  if (bytes > maxImageBytesCeiling) {
    return [warning(`${what}, more than may be in flight`, `set it to at most ${maxImageBytesCeiling}`)];
  }
  const atOnce = Math.floor((maxInFlightBytes - smallRequestBytes) / (bytes + requestOverheadBytes));
  return [ok(`${what}: at most ${atOnce} of that size in memory at once, others wait`)];
}

/** Whether what is here fits the Worker: each pack its share of the memory, the bundle Cloudflare's limit. */
import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import {
  maxImageBytesCeiling,
  maxInFlightBytes,
  memoryBudget,
  requestOverheadBytes,
  smallRequestBytes,
} from "../../src/limits.ts";
import { predictHeapOf } from "../pack/heap.ts";
import { readLocalPack } from "../store/local-pack.ts";
import { packInfo } from "../store/pack-info.ts";
import { readProjectConfig } from "../store/platform-config.ts";
import { broken, type Finding, ok, type Patient, warning } from "./finding.ts";

const MiB = 2 ** 20;
/** Cloudflare's limit of a Worker's files, uncompressed. */
const maxBundleBytes = 64 * MiB;
const mebibytes = (bytes: number) => `${(bytes / MiB).toFixed(1)} MiB`;

export async function checkLimits({ folder }: Patient): Promise<Finding[]> {
  return [...(await packFindings(folder)), ...(await bundleFindings(folder)), ...imageFindings(folder)];
}

/** Packs that are broken are told of by the check of packs. */
async function packFindings(folder: string): Promise<Finding[]> {
  const place = path.join(folder, "model-shards");
  const entries = await readdir(place, { withFileTypes: true }).catch(() => []);
  const findings: Finding[] = [];
  for (const entry of entries.filter((item) => item.isDirectory())) {
    const pack = await readLocalPack(path.join(place, entry.name)).catch(() => undefined);
    if (pack) findings.push(heapFinding(await packInfo(pack)));
  }
  return findings;
}

export function heapFinding(info: Awaited<ReturnType<typeof packInfo>>): Finding {
  const heap = predictHeapOf({
    layers: info.conv_layers,
    weightBytes: info.shards.reduce((sum, { bytes }) => sum + bytes, 0),
    size: info.preprocessing.crop,
    shardBytes: Math.max(...info.shards.map(({ bytes }) => bytes)),
  });
  const share = `about ${mebibytes(heap)} of WASM heap, of ${mebibytes(memoryBudget.modelBytes)}`;
  if (heap <= memoryBudget.modelBytes) return ok(`${info.name} fits the Worker: ${share}`);
  return broken(
    `${info.name} does not fit the Worker: ${share}`,
    info.precision === "int8"
      ? "pack a smaller network or a smaller input (ResNet18 and ResNet34 fit in int8)"
      : "pack it with --precision int8",
  );
}

async function bundleFindings(folder: string): Promise<Finding[]> {
  const dist = path.join(folder, "dist");
  const files = await readdir(dist).catch(() => []);
  // Maps and the README that wrangler writes beside the bundle are not uploaded.
  const uploaded = files.filter((file) => /\.(js|wasm)$/.test(file));
  if (uploaded.length === 0) return [];
  const sizes = await Promise.all(uploaded.map(async (file) => (await stat(path.join(dist, file))).size));
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  const what = `the bundle in dist has ${mebibytes(bytes)}, of ${mebibytes(maxBundleBytes)}`;
  if (bytes <= maxBundleBytes) return [ok(what)];
  return [
    broken(
      `${what}: Cloudflare refuses it`,
      "rm -r dist && npm run build; then see which import brought the rest",
    ),
  ];
}

function imageFindings(folder: string): Finding[] {
  let bytes: number;
  try {
    bytes = Number(readProjectConfig(folder).vars.MAX_IMAGE_BYTES);
  } catch {
    return [];
  }
  // Unset or not valid: the default, or the check of settings tells.
  if (!Number.isFinite(bytes) || bytes <= 0) return [];
  if (bytes <= maxImageBytesCeiling) {
    const room = maxInFlightBytes - smallRequestBytes;
    const atOnce = Math.floor(room / (bytes + requestOverheadBytes));
    return [ok(`MAX_IMAGE_BYTES is ${mebibytes(bytes)}: ${atOnce} such at a time in memory, others wait`)];
  }
  return [
    warning(
      `MAX_IMAGE_BYTES is ${mebibytes(bytes)}, more than may be in flight`,
      `set it to at most ${maxImageBytesCeiling}`,
    ),
  ];
}

/** What a DevWorker runs: a built Worker, and the state of a bucket with packs and heads. */

import { execFile } from "node:child_process";
import { readFile, rm } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { sha256Hex } from "../../src/bytes/byte-arrays.ts";
import { parseHead } from "../../src/head/head.ts";
import { withLocalBucket } from "../store/local-bucket.ts";
import { readLocalPack } from "../store/local-pack.ts";
import { offlineEnv, projectFolder, wranglerCli } from "../store/project.ts";
import { pushHead, pushPack } from "../store/push.ts";
import { silentProgress } from "../terminal/progress.ts";

/** A built Worker: the script and the .wasm files in its folder. */
export interface Bundle {
  readonly folder: string;
  readonly script: string;
}

/** Builds this project's Worker into a folder other than `dist`, which another command may be using. */
export async function buildOurs(folder: string): Promise<Bundle> {
  await build(["--config", path.join(projectFolder, "wrangler.toml")], folder);
  return { folder, script: "index.js" };
}

/** Empties `folder` and builds the Worker that `options` name into it. */
export async function build(options: readonly string[], folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  const args = [wranglerCli, "deploy", "--dry-run", "--outdir", folder, ...options];
  const env = { ...process.env, ...offlineEnv };
  await promisify(execFile)(process.execPath, args, { cwd: projectFolder, env, timeout: 120_000 });
}

/** Makes the pack of a folder live in the local storage that each Worker copies when it starts. */
export async function seedPack(stateFolder: string, packFolder: string): Promise<void> {
  const pack = await readLocalPack(packFolder);
  await withLocalBucket((bucket) => pushPack(bucket, pack, silentProgress), { persistTo: stateFolder });
}

/** Makes a head live on the version of the model that it names. */
export async function seedHead(stateFolder: string, content: Uint8Array): Promise<void> {
  const head = { head: await parseHead(content), content, sha256: await sha256Hex(content) };
  await withLocalBucket((bucket) => pushHead(bucket, head, silentProgress), { persistTo: stateFolder });
}

/** Stores one file under a key. */
export async function seedFile(stateFolder: string, key: string, file: string): Promise<void> {
  const bytes = await readFile(file);
  // Do not return the result of put: it cannot be used after workerd has stopped.
  await withLocalBucket(async (bucket) => void (await bucket.put(key, bytes)), { persistTo: stateFolder });
}

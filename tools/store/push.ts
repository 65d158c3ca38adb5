/**
 * Uploads a pack to R2, local or remote: the same code, another binding. current.json is written last, so that a
 * push cut off at any point leaves the live version as it was.
 */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { type Current, currentSchema } from "../../src/model/manifest.ts";
import { CommandError } from "../terminal/fail.ts";
import type { Progress } from "../terminal/progress.ts";
import type { LocalPack, PackFile } from "./local-pack.ts";

/** What is used of an R2 bucket binding. */
export interface PackBucket {
  head(
    key: string,
  ): Promise<{ readonly size: number; readonly checksums: { readonly sha256?: ArrayBuffer } } | null>;
  get(key: string): Promise<{ text(): Promise<string> } | null>;
  put(key: string, value: Uint8Array | string, options?: { sha256?: string }): Promise<unknown>;
}

export interface PushReport {
  readonly name: string;
  readonly version: string;
  readonly uploaded: number;
  readonly uploadedBytes: number;
  readonly skipped: number;
  /** Whether another version was live before. */
  readonly replaced: string | null;
}

export async function pushPack(bucket: PackBucket, pack: LocalPack, progress: Progress): Promise<PushReport> {
  const { name, version } = pack.manifest;
  let [uploaded, uploadedBytes, skipped] = [0, 0, 0];
  for (const [i, file] of pack.files.entries()) {
    progress.update(`push ${name}`, i, pack.files.length);
    const key = `${name}/${version}/${file.name}`;
    if (await isThere(bucket, key, file)) {
      skipped++;
      continue;
    }
    // R2 checks the hash on arrival and keeps it, for the next push to compare.
    await bucket.put(key, await readFile(path.join(pack.folder, file.name)), { sha256: file.sha256 });
    uploaded++;
    uploadedBytes += file.bytes;
  }
  progress.update(`push ${name}`, pack.files.length, pack.files.length);
  progress.stop();
  const before = await readCurrent(bucket, name);
  if (before?.version !== version) await writeCurrent(bucket, name, version, before);
  const replaced = before && before.version !== version ? before.version : null;
  return { name, version, uploaded, uploadedBytes, skipped, replaced };
}

export async function readCurrent(bucket: PackBucket, name: string): Promise<Current | undefined> {
  const object = await bucket.get(`${name}/current.json`);
  if (!object) return undefined;
  const parsed = currentSchema.safeParse(parseJson(await object.text()));
  if (!parsed.success) {
    throw new CommandError(`${name}/current.json in the bucket is not of format 1; delete it and push again`);
  }
  return parsed.data;
}

async function writeCurrent(bucket: PackBucket, name: string, version: string, before: Current | undefined) {
  const history = (before?.history ?? []).filter((entry) => entry.version !== version);
  const current: Current = {
    format: 1,
    name,
    version,
    history: [{ version, pushed_at: new Date().toISOString() }, ...history],
  };
  await bucket.put(`${name}/current.json`, `${JSON.stringify(current, null, 2)}\n`);
}

async function isThere(bucket: PackBucket, key: string, file: PackFile): Promise<boolean> {
  const head = await bucket.head(key);
  const sha256 = head?.checksums.sha256;
  return (
    head?.size === file.bytes && sha256 !== undefined && Buffer.from(sha256).toString("hex") === file.sha256
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

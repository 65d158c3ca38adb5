/**
 * Uploads a pack to R2, local or remote: the same code, another binding. current.json is written last, so that a
 * push cut off at any point leaves the live version as it was.
 */
import { readFile } from "node:fs/promises";
import path from "node:path";
import type { Progress } from "../terminal/progress.ts";
import type { PackBucket } from "./bucket.ts";
import { makeLive, readCurrent } from "./current.ts";
import type { LocalPack, PackFile } from "./local-pack.ts";

export type { PackBucket } from "./bucket.ts";

export interface PushReport {
  readonly name: string;
  readonly version: string;
  readonly uploaded: number;
  readonly uploadedBytes: number;
  readonly skipped: number;
  /** Whether another version was live before. */
  readonly replaced: string | null;
  /** False where it was only uploaded. */
  readonly live: boolean;
}

export interface PushOptions {
  /** Upload only: the next push makes it live, once the heads for it are there. */
  readonly stage?: boolean;
}

export async function pushPack(
  bucket: PackBucket,
  pack: LocalPack,
  progress: Progress,
  { stage = false }: PushOptions = {},
): Promise<PushReport> {
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
  const sent = { name, version, uploaded, uploadedBytes, skipped };
  if (stage) {
    const live = (await readCurrent(bucket, name))?.version === version;
    return { ...sent, replaced: null, live };
  }
  return { ...sent, replaced: await makeLive(bucket, name, version), live: true };
}

/** Whether the bucket holds the file under `key`, by size and by the hash that R2 kept. */
export async function isThere(bucket: PackBucket, key: string, file: PackFile): Promise<boolean> {
  const head = await bucket.head(key);
  const sha256 = head?.checksums.sha256;
  return (
    head?.size === file.bytes && sha256 !== undefined && Buffer.from(sha256).toString("hex") === file.sha256
  );
}

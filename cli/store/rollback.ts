/** Makes an earlier version live again, once every object of it has been found whole. */
import { createHash } from "node:crypto";
import { ClassifierError } from "../../src/errors.ts";
import type { Manifest } from "../../src/model/manifest.ts";
import { readPack } from "../../src/model/pack.ts";
import { BucketSource } from "../../src/storage/bucket-source.ts";
import { CommandError } from "../terminal/fail.ts";
import type { Progress } from "../terminal/progress.ts";
import { listModelNames, type StoreBucket } from "./bucket.ts";
import { updateCurrent } from "./current.ts";
import { listModel, unknownModel } from "./history.ts";
import type { PackFile } from "./local-pack.ts";
import { isThere } from "./push.ts";

export interface RollbackReport {
  readonly name: string;
  readonly version: string;
  /** The version that was live before; the same one when there was nothing to do. */
  readonly replaced: string;
  readonly changed: boolean;
}

/** @throws CommandError when the version is not there, or not whole */
export async function rollback(
  bucket: StoreBucket,
  name: string,
  version: string,
  progress: Progress,
): Promise<RollbackReport> {
  return updateCurrent<RollbackReport>(bucket, name, async (current) => {
    if (!current) throw unknownModel(name, await listModelNames(bucket));
    if (current.version === version)
      return { next: undefined, report: { name, version, replaced: version, changed: false } };
    const { versions } = await listModel(bucket, name);
    if (!versions.some((listed) => listed.version === version && listed.objects > 0)) {
      const others = versions
        .filter(({ live, objects }) => !live && objects > 0)
        .map((listed) => listed.version);
      const here = others.length === 0 ? "there is no other version" : `here are: ${others.join(", ")}`;
      throw new CommandError(
        `the bucket has no version ${version} of ${name} (${here}); nothing was changed`,
      );
    }
    await checkWhole(bucket, await readManifest(bucket, name, version), progress);
    const known = current.history.some((entry) => entry.version === version);
    const added = known ? [] : [{ version, pushed_at: new Date().toISOString() }];
    const next = { ...current, version, history: [...added, ...current.history] };
    return { next, report: { name, version, replaced: current.version, changed: true } };
  });
}

async function readManifest(bucket: StoreBucket, name: string, version: string): Promise<Manifest> {
  try {
    return (await readPack(new BucketSource(bucket), name, version)).manifest;
  } catch (cause) {
    if (!(cause instanceof ClassifierError) || cause.reason.code !== "model_unavailable") throw cause;
    throw notWhole(name, version, cause.reason.detail);
  }
}

async function checkWhole(bucket: StoreBucket, manifest: Manifest, progress: Progress): Promise<void> {
  const { name, version, shards } = manifest;
  for (const [i, { file, bytes, sha256 }] of shards.entries()) {
    progress.update(`check ${name}`, i, shards.length);
    const key = `${name}/${version}/${file}`;
    const whole = await isWhole(bucket, key, { name: file, bytes, sha256 });
    if (!whole) throw notWhole(name, version, `${key} is missing, or not what the manifest says`);
  }
  progress.update(`check ${name}`, shards.length, shards.length);
  progress.stop();
}

/** An object that another tool uploaded has no hash in its head: then its bytes tell. */
export async function isWhole(bucket: StoreBucket, key: string, file: PackFile): Promise<boolean> {
  if (await isThere(bucket, key, file)) return true;
  const head = await bucket.head(key);
  if (head?.size !== file.bytes || head.checksums.sha256 !== undefined) return false;
  const object = await bucket.get(key);
  if (!object) return false;
  return (
    createHash("sha256")
      .update(new Uint8Array(await object.arrayBuffer()))
      .digest("hex") === file.sha256
  );
}

function notWhole(name: string, version: string, detail: string): CommandError {
  return new CommandError(
    `version ${version} of ${name} is not whole: ${detail}; nothing was changed, push that pack again to make it live`,
  );
}

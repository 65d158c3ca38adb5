/**
 * Deletes old versions. The history is shortened first and a version's manifest is deleted before its shards, so that
 * a prune cut off at any point leaves neither a history that names what is gone nor half a version that looks whole.
 */
import type { Progress } from "../terminal/progress.ts";
import { listModelNames, listObjects, type StoreBucket } from "./bucket.ts";
import { readCurrent, writeCurrent } from "./current.ts";
import { listModel, unknownModel } from "./history.ts";

export interface PruneOptions {
  /** Versions to keep, the live one among them. */
  readonly keep: number;
  /** Whether versions that are in no history go too. */
  readonly orphans: boolean;
  readonly dryRun: boolean;
}

export interface PruneReport {
  readonly name: string;
  readonly live: string;
  readonly kept: readonly string[];
  readonly deleted: readonly string[];
  readonly deleted_objects: number;
  readonly deleted_bytes: number;
  /** Versions in no history that are still there. */
  readonly orphans: readonly string[];
  readonly dry_run: boolean;
}

/** Keys that one call of R2's delete takes. */
const maxKeysPerDelete = 1000;

/** @throws CommandError when the bucket has no such model */
export async function prune(
  bucket: StoreBucket,
  name: string,
  options: PruneOptions,
  progress: Progress,
): Promise<PruneReport> {
  const current = await readCurrent(bucket, name);
  if (!current) throw unknownModel(name, await listModelNames(bucket));
  const { versions } = await listModel(bucket, name);
  const live = current.version;
  const others = current.history.filter(({ version }) => version !== live).slice(0, options.keep - 1);
  const keep = new Set([live, ...others.map(({ version }) => version)]);
  const history = current.history.filter(({ version }) => keep.has(version));
  const old = versions.filter(({ version, pushed_at }) => pushed_at !== null && !keep.has(version));
  const orphans = versions.filter(({ version, pushed_at }) => pushed_at === null && version !== live);
  const doomed = options.orphans ? [...old, ...orphans] : old;

  if (!options.dryRun) {
    if (history.length < current.history.length) await writeCurrent(bucket, { ...current, history });
    for (const [i, { version }] of doomed.entries()) {
      progress.update(`prune ${name}`, i, doomed.length);
      await deleteVersion(bucket, name, version);
    }
    if (doomed.length > 0) progress.update(`prune ${name}`, doomed.length, doomed.length);
    progress.stop();
  }
  return {
    name,
    live,
    kept: [...keep],
    deleted: doomed.map(({ version }) => version),
    deleted_objects: doomed.reduce((sum, { objects }) => sum + objects, 0),
    deleted_bytes: doomed.reduce((sum, { bytes }) => sum + bytes, 0),
    orphans: options.orphans ? [] : orphans.map(({ version }) => version),
    dry_run: options.dryRun,
  };
}

async function deleteVersion(bucket: StoreBucket, name: string, version: string): Promise<void> {
  const manifest = `${name}/${version}/manifest.json`;
  await bucket.delete(manifest);
  const keys = (await listObjects(bucket, `${name}/${version}/`)).map(({ key }) => key);
  for (let i = 0; i < keys.length; i += maxKeysPerDelete) {
    await bucket.delete(keys.slice(i, i + maxKeysPerDelete));
  }
}

/**
 * Deletes old versions. The history is shortened first and a version's manifest is deleted before its shards, so that
 * a prune cut off at any point leaves neither a history that names what is gone nor half a version that looks whole.
 */
import type { Current } from "../../src/model/manifest.ts";
import type { Progress } from "../terminal/progress.ts";
import { listModelNames, listObjects, type StoreBucket } from "./bucket.ts";
import { readCurrent, updateCurrent } from "./current.ts";
import { listModel, unknownModel, type VersionListing } from "./history.ts";

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
  const plan = await updateCurrent(bucket, name, async (current) => {
    if (!current) throw unknownModel(name, await listModelNames(bucket));
    const { versions } = await listModel(bucket, name);
    const report = planOf(current, versions, options);
    const history = current.history.filter(({ version }) => report.keep.includes(version));
    const shorter = !options.dryRun && history.length < current.history.length;
    return { next: shorter ? { ...current, history } : undefined, report };
  });
  const deleted = options.dryRun ? plan.doomed : await deleteVersions(bucket, name, plan.doomed, progress);
  return {
    name,
    live: plan.live,
    kept: plan.keep,
    deleted: deleted.map(({ version }) => version),
    deleted_objects: deleted.reduce((sum, { objects }) => sum + objects, 0),
    deleted_bytes: deleted.reduce((sum, { bytes }) => sum + bytes, 0),
    orphans: options.orphans ? [] : plan.orphans.map(({ version }) => version),
    dry_run: options.dryRun,
  };
}

interface PrunePlan {
  readonly live: string;
  readonly keep: readonly string[];
  readonly doomed: readonly VersionListing[];
  readonly orphans: readonly VersionListing[];
}

function planOf(current: Current, versions: readonly VersionListing[], options: PruneOptions): PrunePlan {
  const live = current.version;
  const others = current.history.filter(({ version }) => version !== live).slice(0, options.keep - 1);
  const keep = [live, ...others.map(({ version }) => version)];
  const old = versions.filter(({ version, pushed_at }) => pushed_at !== null && !keep.includes(version));
  const orphans = versions.filter(({ version, pushed_at }) => pushed_at === null && version !== live);
  return { live, keep, doomed: options.orphans ? [...old, ...orphans] : old, orphans };
}

/** Leaves out a version that another command has made live meanwhile. @returns what was deleted */
async function deleteVersions(
  bucket: StoreBucket,
  name: string,
  doomed: readonly VersionListing[],
  progress: Progress,
): Promise<VersionListing[]> {
  const deleted: VersionListing[] = [];
  for (const [i, listing] of doomed.entries()) {
    progress.update(`prune ${name}`, i, doomed.length);
    if ((await readCurrent(bucket, name))?.version === listing.version) continue;
    await deleteVersion(bucket, name, listing.version);
    deleted.push(listing);
  }
  if (doomed.length > 0) progress.update(`prune ${name}`, doomed.length, doomed.length);
  progress.stop();
  return deleted;
}

async function deleteVersion(bucket: StoreBucket, name: string, version: string): Promise<void> {
  const manifest = `${name}/${version}/manifest.json`;
  await bucket.delete(manifest);
  const keys = (await listObjects(bucket, `${name}/${version}/`)).map(({ key }) => key);
  for (let i = 0; i < keys.length; i += maxKeysPerDelete) {
    await bucket.delete(keys.slice(i, i + maxKeysPerDelete));
  }
}

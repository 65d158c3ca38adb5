/**
 * Deletes old versions of a model. The history is shortened first, and a version's manifest is deleted before its
 * shards. An interrupted prune therefore never leaves a history that names a deleted version, or a manifest without its
 * shards.
 */
import { type Progress, tracked } from "../terminal/progress.ts";
import { listObjects, type StoreBucket } from "./bucket.ts";
import { models, namesOf, readCurrent, unknownName, updateCurrent } from "./current.ts";
import { listModel, type VersionListing } from "./history.ts";

/** What to delete. */
export interface PruneOptions {
  /** Number of versions to keep, including the live one. */
  readonly keep: number;
  /** Whether to delete versions that are in no history. */
  readonly orphans: boolean;
  readonly dryRun: boolean;
}

/** What a prune did, or would do. */
export type PruneReport = Awaited<ReturnType<typeof prune>>;

/** Number of keys that one call of R2's delete accepts. */
const maxKeysPerDelete = 1000;

/**
 * Deletes all versions but the live one and the newest others.
 * @throws CommandError when the bucket has no such model
 */
export async function prune(bucket: StoreBucket, name: string, options: PruneOptions, progress: Progress) {
  const { live, kept, rest } = await updateCurrent(bucket, models, name, async (current) => {
    if (!current) throw unknownName(models, name, await namesOf(bucket, models));
    const live = current.version;
    const others = current.history.map(({ version }) => version).filter((version) => version !== live);
    const kept = [live, ...others.slice(0, options.keep - 1)];
    const history = current.history.filter(({ version }) => kept.includes(version));
    const shorter = !options.dryRun && history.length < current.history.length;
    const { versions } = await listModel(bucket, name);
    const rest = versions.filter(({ version }) => !kept.includes(version));
    return { next: shorter ? { ...current, history } : undefined, report: { live, kept, rest } };
  });
  const obsolete = options.orphans ? rest : rest.filter(({ pushed_at }) => pushed_at !== null);
  const orphans = rest.filter((listing) => !obsolete.includes(listing));
  const deleted = options.dryRun ? obsolete : await deleteVersions(bucket, name, obsolete, progress);
  return {
    name,
    live,
    kept,
    deleted: deleted.map(({ version }) => version),
    deleted_objects: deleted.reduce((sum, { objects }) => sum + objects, 0),
    deleted_bytes: deleted.reduce((sum, { bytes }) => sum + bytes, 0),
    // Versions in no history that the bucket still has.
    orphans: orphans.map(({ version }) => version),
    dry_run: options.dryRun,
  };
}

/** Returns the deleted versions. Keeps a version that another command has made live in the meantime. */
async function deleteVersions(
  bucket: StoreBucket,
  name: string,
  obsolete: readonly VersionListing[],
  progress: Progress,
): Promise<VersionListing[]> {
  const deleted: VersionListing[] = [];
  for (const listing of tracked(progress, `prune ${name}`, obsolete)) {
    if ((await readCurrent(bucket, models, name))?.version === listing.version) continue;
    await deleteVersion(bucket, `${name}/${listing.version}/`);
    deleted.push(listing);
  }
  return deleted;
}

async function deleteVersion(bucket: StoreBucket, folder: string): Promise<void> {
  await bucket.delete(`${folder}manifest.json`);
  const keys = (await listObjects(bucket, folder)).map(({ key }) => key);
  for (let i = 0; i < keys.length; i += maxKeysPerDelete) {
    await bucket.delete(keys.slice(i, i + maxKeysPerDelete));
  }
}

/** The versions in a bucket: lists them, deletes old ones, and makes an earlier one live again. */

import { sha256Hex } from "../../src/bytes/byte-arrays.ts";
import { ClassifierError } from "../../src/errors.ts";
import {
  backboneText,
  type HeadCurrent,
  type HeadEntry,
  headKey,
  liveOn,
} from "../../src/head/live-heads.ts";
import { type Manifest, packVersionSchema } from "../../src/model/manifest.ts";
import { readPack } from "../../src/model/pack.ts";
import { BucketSource } from "../../src/storage/bucket-source.ts";
import { CommandError } from "../terminal/fail.ts";
import { type Progress, tracked } from "../terminal/progress.ts";
import { BucketFixError, type ListedObject, listObjects, type StoreBucket } from "./bucket.ts";
import {
  type AnyKind,
  deleteCurrent,
  heads,
  models,
  namesOf,
  readCurrent,
  unknownName,
  updateCurrent,
} from "./current.ts";
import type { PackFile } from "./local-pack.ts";
import { isStored } from "./push.ts";

/** The versions of one model: newest first, then those that are in no history. */
export type ModelListing = Awaited<ReturnType<typeof listModel>>;
/** One version of a model. */
export type VersionListing = ModelListing["versions"][number];
/** The versions of one head, newest first. */
export type HeadListing = Awaited<ReturnType<typeof listHead>>;

/**
 * Lists all models, or the one named.
 * @throws CommandError when the bucket has no model of that name
 */
export async function listModels(bucket: StoreBucket, name?: string): Promise<ModelListing[]> {
  const names = await chosenNames(bucket, models, name);
  const listed = await Promise.all(names.map((each) => listModel(bucket, each)));
  // A folder without versions is not a model.
  return listed.filter(({ live, versions }) => live !== null || versions.length > 0);
}

/** Lists the versions of one model. */
export async function listModel(bucket: StoreBucket, name: string) {
  const current = await readCurrent(bucket, models, name);
  const stored = Map.groupBy(await listObjects(bucket, `${name}/`), ({ key }) => versionOf(name, key));
  stored.delete(undefined);
  const history = current?.history ?? [];
  const orphans = [...stored.keys()].filter((found) => history.every(({ version }) => version !== found));
  // An interrupted push or prune leaves versions that are in no history.
  const rows = [...history, ...orphans.map((version) => ({ version: version!, pushed_at: null }))];
  const versions = rows.map(({ version, pushed_at }) => {
    const objects = stored.get(version) ?? [];
    const bytes = objects.reduce((sum, { size }) => sum + size, 0);
    return { version, live: version === current?.version, pushed_at, objects: objects.length, bytes };
  });
  // No version is live before the first push has ended.
  return { name, live: current?.version ?? null, versions };
}

/** The version in a key `<name>/<version>/<file>`. Undefined for other keys, which are not part of a pack. */
function versionOf(name: string, key: string): string | undefined {
  const [version, file] = key.slice(name.length + 1).split("/");
  return file === undefined ? undefined : packVersionSchema.safeParse(version).data;
}

/**
 * Lists all heads, or the one named.
 * @throws CommandError when the bucket has no head of that name
 */
export async function listHeads(bucket: StoreBucket, name?: string): Promise<HeadListing[]> {
  const names = await chosenNames(bucket, heads, name);
  const found = await Promise.all(names.map((each) => readCurrent(bucket, heads, each)));
  return Promise.all(found.flatMap((current) => (current ? [listHead(bucket, current)] : [])));
}

async function listHead(bucket: StoreBucket, current: HeadCurrent) {
  const { name } = current;
  const objects = await listObjects(bucket, `${heads.folder}${name}/`);
  const versions = versionsOf(current).map(({ version, backbone, pushed_at, bytes }) => ({
    version,
    backbone: backboneText(backbone),
    live: liveOn(current, backbone)?.version === version,
    pushed_at,
    bytes,
    // Whether the bucket has the version's file.
    there: objects.some(({ key }) => key === headKey(name, version)),
  }));
  return { name, versions };
}

/** Returns a head's history, followed by live versions that are older than the history reaches. */
export function versionsOf({ live, history }: HeadCurrent): HeadEntry[] {
  const listed = new Set(history.map(({ version }) => version));
  return [...history, ...live.filter(({ version }) => !listed.has(version))];
}

async function chosenNames(bucket: StoreBucket, kind: AnyKind, name?: string): Promise<string[]> {
  const names = await namesOf(bucket, kind);
  if (name === undefined) return names;
  if (names.includes(name)) return [name];
  throw unknownName(kind, name, names);
}

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
 * Deletes all versions but the live one and the newest others. The history is shortened first, and a version's manifest is
 * deleted before its shards. An interrupted prune therefore never leaves a history that names a deleted version, or a
 * manifest without its shards.
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
    ...deletion(deleted),
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
  for (const listing of tracked(progress, `delete from ${name}`, obsolete)) {
    if ((await readCurrent(bucket, models, name))?.version === listing.version) continue;
    await deleteVersion(bucket, `${name}/${listing.version}/`);
    deleted.push(listing);
  }
  return deleted;
}

async function deleteVersion(bucket: StoreBucket, folder: string): Promise<void> {
  await bucket.delete(`${folder}manifest.json`);
  await deleteObjects(bucket, await listObjects(bucket, folder));
}

async function deleteObjects(bucket: StoreBucket, objects: readonly ListedObject[]): Promise<void> {
  const keys = objects.map(({ key }) => key);
  for (let i = 0; i < keys.length; i += maxKeysPerDelete) {
    await bucket.delete(keys.slice(i, i + maxKeysPerDelete));
  }
}

/** What a deletion did. */
export type DeleteReport = { readonly name: string } & ReturnType<typeof deletion>;

/**
 * Deletes one version of a model that is not live.
 * @throws CommandError when the bucket does not have it, or when it is live
 */
export async function deleteModelVersion(
  bucket: StoreBucket,
  name: string,
  version: string,
  progress: Progress,
) {
  const found = await updateCurrent(bucket, models, name, async (current) => {
    const { versions } = await listModel(bucket, name);
    if (versions.length === 0) throw unknownName(models, name, await namesOf(bucket, models));
    const found = versions.filter((listing) => listing.version === version);
    if (found.length === 0) {
      const others = versions.map((listing) => listing.version);
      throw unknownVersion("model", name, version, others);
    }
    if (current?.version === version) {
      throw new CommandError(`version ${version} of ${name} is live; nothing was changed`, {
        fix: "roll back to another version first, or leave the version out to delete the whole model",
      });
    }
    const history = current?.history.filter((entry) => entry.version !== version) ?? [];
    const next = current && history.length < current.history.length ? { ...current, history } : undefined;
    return { next, report: found };
  });
  return { name, ...deletion(await deleteVersions(bucket, name, found, progress)) };
}

/**
 * Deletes a model with all its versions: first what makes it live, so that an interrupted deletion leaves nothing that the
 * Worker would load.
 * @param force whether to delete a model that a Worker may serve
 * @throws CommandError when the bucket does not have it, or when it may be in use
 */
export async function deleteModel(
  bucket: StoreBucket,
  name: string,
  { mayBeServed, force }: { readonly mayBeServed: boolean; readonly force: boolean },
  progress: Progress,
) {
  const { live, versions } = await listModel(bucket, name);
  if (live === null && versions.length === 0) {
    throw unknownName(models, name, await namesOf(bucket, models));
  }
  if (live !== null && mayBeServed && !force) {
    throw new CommandError(`a Worker may serve the model ${name}; nothing was changed`, {
      fix: "serve another model first, or delete it anyway with --force",
    });
  }
  await deleteCurrent(bucket, models, name);
  return { name, ...deletion(await deleteVersions(bucket, name, versions, progress)) };
}

/**
 * Deletes a head with all its versions: first what makes it live.
 * @param options.isCdnHead whether a Worker uses it for GET /cdn/
 * @param options.force whether to delete it even then
 * @throws CommandError when the bucket does not have it, or when it is in use
 */
export async function deleteHead(
  bucket: StoreBucket,
  name: string,
  { isCdnHead, force }: { readonly isCdnHead: boolean; readonly force: boolean },
): Promise<DeleteReport> {
  await chosenNames(bucket, heads, name);
  if (isCdnHead && !force) {
    throw new CommandError(
      `wrangler.toml names the head ${name} (CDN_HEAD), and GET /cdn/ would have no labels without it; nothing was changed`,
      { fix: "set another CDN_HEAD and deploy first, or delete it anyway with --force" },
    );
  }
  await deleteCurrent(bucket, heads, name);
  const prefix = `${heads.folder}${name}/`;
  const objects = await listObjects(bucket, prefix);
  await deleteObjects(bucket, objects);
  const versions = objects.map(({ key, size }) => {
    return { version: key.slice(prefix.length).replace(/\.json$/, ""), objects: 1, bytes: size };
  });
  return { name, ...deletion(versions) };
}

function deletion(deleted: readonly Pick<VersionListing, "version" | "objects" | "bytes">[]) {
  return {
    deleted: deleted.map(({ version }) => version),
    deleted_objects: deleted.reduce((sum, { objects }) => sum + objects, 0),
    deleted_bytes: deleted.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

/** What a rollback did. */
export interface RollbackReport {
  readonly name: string;
  readonly version: string;
  /** Of a head: the model version on which it is live, as name/version. */
  readonly backbone?: string;
  /** The version that was live before, which is `version` itself if nothing changed. */
  readonly replaced: string | null;
  readonly changed: boolean;
}

/**
 * Rolls a model back to `version`, after checking every object of it.
 * @throws CommandError when the bucket does not have all of it
 */
export function rollback(
  bucket: StoreBucket,
  name: string,
  version: string,
  progress: Progress,
): Promise<RollbackReport> {
  return updateCurrent(bucket, models, name, async (current) => {
    if (!current) throw unknownName(models, name, await namesOf(bucket, models));
    const report = { name, version, replaced: current.version, changed: current.version !== version };
    if (!report.changed) return { report };
    const { versions } = await listModel(bucket, name);
    const others = versions.filter(({ objects, live }) => objects > 0 && !live).map((entry) => entry.version);
    if (!others.includes(version)) throw unknownVersion("model", name, version, others);
    await checkShards(bucket, await readManifest(bucket, name, version), progress);
    const known = current.history.some((entry) => entry.version === version);
    const added = known ? [] : [{ version, pushed_at: new Date().toISOString() }];
    return { next: { ...current, version, history: [...added, ...current.history] }, report };
  });
}

/**
 * Rolls a head back, on the model version that the earlier head was trained on.
 * @param version default: the version before the live one, if the head is live on one model version only
 * @throws CommandError when the bucket does not have the version, or when its file is damaged
 */
export function rollbackHead(bucket: StoreBucket, name: string, version?: string): Promise<RollbackReport> {
  return updateCurrent(bucket, heads, name, async (current) => {
    if (!current) throw unknownName(heads, name, await namesOf(bucket, heads));
    const entry = version === undefined ? previous(current) : find(current, version);
    const old = liveOn(current, entry.backbone);
    const report = {
      name,
      version: entry.version,
      backbone: backboneText(entry.backbone),
      replaced: old?.version ?? null,
      changed: old?.version !== entry.version,
    };
    if (!report.changed) return { report };
    const key = headKey(name, entry.version);
    if (!(await isWhole(bucket, key, entry))) {
      throw new CommandError(`${key} is missing or damaged; nothing was changed`, {
        fix: "push that head again to make it live",
      });
    }
    return { next: { ...current, live: [entry, ...current.live.filter((live) => live !== old)] }, report };
  });
}

async function readManifest(bucket: StoreBucket, name: string, version: string): Promise<Manifest> {
  try {
    return (await readPack(new BucketSource(bucket, "it was deleted"), name, version)).manifest;
  } catch (cause) {
    if (!(cause instanceof ClassifierError) || cause.reason.code !== "model_unavailable") throw cause;
    throw damaged(name, version, cause.reason.detail);
  }
}

async function checkShards(bucket: StoreBucket, manifest: Manifest, progress: Progress): Promise<void> {
  const { name, version, shards } = manifest;
  for (const shard of tracked(progress, `check ${name}`, shards)) {
    const key = `${name}/${version}/${shard.file}`;
    if (!(await isWhole(bucket, key, shard))) throw damaged(name, version, `${key} is missing or damaged`);
  }
}

/** Hashes the object itself if R2 has no hash of it. */
async function isWhole(bucket: StoreBucket, key: string, file: Omit<PackFile, "name">): Promise<boolean> {
  const stored = await isStored(bucket, key, file);
  if (stored !== undefined) return stored;
  const object = await bucket.get(key);
  return object !== null && (await sha256Hex(new Uint8Array(await object.arrayBuffer()))) === file.sha256;
}

function find(current: HeadCurrent, version: string): HeadEntry {
  const entries = versionsOf(current);
  const found = entries.find((entry) => entry.version === version);
  if (found) return found;
  const available = entries.map((entry) => entry.version);
  throw unknownVersion("head", current.name, version, available);
}

/** The version that was pushed before the live one, for the same model version. */
function previous({ name, live, history }: HeadCurrent): HeadEntry {
  const [only] = live;
  if (!only || live.length > 1) {
    const places = live.map((entry) => `${entry.version} on ${backboneText(entry.backbone)}`);
    const what = `the head ${name} is live on several model versions (${places.join(", ")})`;
    throw new BucketFixError(what, "name the version to go back to, from this list", ["head", "list", name]);
  }
  const backbone = backboneText(only.backbone);
  const same = history.filter((entry) => backboneText(entry.backbone) === backbone);
  const entry = same[same.findIndex(({ version }) => version === only.version) + 1];
  if (entry) return entry;
  throw new CommandError(
    `the head ${name} has no version before ${only.version} on ${backbone}; nothing was changed`,
  );
}

function damaged(name: string, version: string, detail: string): CommandError {
  return new CommandError(`version ${version} of ${name} is damaged: ${detail}; nothing was changed`, {
    fix: "push that pack again to make it live",
  });
}

function unknownVersion(
  noun: "model" | "head",
  name: string,
  version: string,
  others: readonly string[],
): CommandError {
  const available = others.join(", ") || "no other version";
  return new CommandError(
    `the ${noun} ${name} has no version ${version} in the bucket; available: ${available}; nothing was changed`,
  );
}

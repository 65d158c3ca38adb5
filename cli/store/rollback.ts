/** Makes an earlier version of a model or a head live again, after checking every object of it. */
import { sha256Hex } from "../../src/bytes/sha256.ts";
import { ClassifierError } from "../../src/errors.ts";
import {
  backboneText,
  type HeadCurrent,
  type HeadEntry,
  headKey,
  liveOn,
} from "../../src/head/live-heads.ts";
import type { Manifest } from "../../src/model/manifest.ts";
import { readPack } from "../../src/model/pack.ts";
import { BucketSource } from "../../src/storage/bucket-source.ts";
import { CommandError } from "../terminal/fail.ts";
import { type Progress, tracked } from "../terminal/progress.ts";
import type { StoreBucket } from "./bucket.ts";
import { heads, models, namesOf, unknownName, updateCurrent } from "./current.ts";
import { listModel, versionsOf } from "./history.ts";
import type { PackFile } from "./local-pack.ts";
import { isStored } from "./push.ts";

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
 * Rolls a model back to `version`.
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
    return (await readPack(new BucketSource(bucket), name, version)).manifest;
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
    throw new CommandError(`the head ${name} is live on several model versions (${places.join(", ")})`, {
      fix: `name the version to go back to; npm run head -- list ${name} shows them`,
    });
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

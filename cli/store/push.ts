/**
 * Uploads packs and heads to R2, and makes them live. current.json is written last, so an interrupted push leaves the
 * live version unchanged.
 */
import { readFile } from "node:fs/promises";
import path from "node:path";
import {
  type Backbone,
  backboneText,
  type HeadCurrent,
  type HeadEntry,
  headKey,
  liveOn,
} from "../../src/head/live-heads.ts";
import { maxHeadBackbones, maxHeadHistory } from "../../src/limits.ts";
import { manifestSchema } from "../../src/model/manifest.ts";
import { CommandError } from "../terminal/fail.ts";
import { type Progress, tracked } from "../terminal/progress.ts";
import { BucketFixError, type PackBucket, type StoreBucket } from "./bucket.ts";
import { heads, makeLive, models, namesOf, readCurrent, updateCurrent } from "./current.ts";
import type { LocalHead } from "./local-head.ts";
import type { LocalPack, PackFile } from "./local-pack.ts";

/** What a push of a pack did. */
export type PushReport = Awaited<ReturnType<typeof pushPack>>;

/** What a push of a head did. */
export type HeadPushReport = Awaited<ReturnType<typeof pushHead>>;

/**
 * Uploads a pack and makes it live. Skips files that the bucket has.
 * @param options.stage only upload, so that heads for this version can be pushed before it goes live
 */
export async function pushPack(
  bucket: PackBucket,
  { folder, manifest: { name, version }, files }: LocalPack,
  progress: Progress,
  { stage = false }: { readonly stage?: boolean } = {},
) {
  let [uploaded, uploaded_bytes] = [0, 0];
  for (const file of tracked(progress, `push ${name}`, files)) {
    const read = () => readFile(path.join(folder, file.name));
    if (!(await upload(bucket, `${name}/${version}/${file.name}`, file, read))) continue;
    uploaded++;
    uploaded_bytes += file.bytes;
  }
  const replaced = stage ? null : await makeLive(bucket, name, version);
  const live = !stage || (await readCurrent(bucket, models, name))?.version === version;
  return {
    ...{ name, version, uploaded, uploaded_bytes, skipped: files.length - uploaded },
    /** The version that was live before, if it was another one. */
    replaced,
    /** False if the version was only uploaded. */
    live,
  };
}

/**
 * Uploads a head and makes it live on the model version that it was trained on. Heads that are live on other versions
 * stay live.
 * @throws CommandError when the bucket does not have that model version
 */
export async function pushHead(
  bucket: StoreBucket,
  { head, content, sha256 }: LocalHead,
  progress: Progress,
) {
  const { name, version, backbone, feature_size } = head.file;
  await checkBackbone(bucket, backbone, feature_size);
  const bytes = content.length;
  let uploaded = false;
  for (const key of tracked(progress, `push ${name}`, [headKey(name, version)])) {
    uploaded = await upload(bucket, key, { bytes, sha256 }, async () => content);
  }
  const replaced = await updateCurrent<HeadCurrent, string | null>(bucket, heads, name, async (before) => {
    const old = before && liveOn(before, backbone);
    if (old?.version === version && old.sha256 === sha256) return { report: null };
    const entry = { version, backbone, bytes, sha256, pushed_at: new Date().toISOString() };
    const next = await withEntry(bucket, name, entry, before);
    return { next, report: old && old.version !== version ? old.version : null };
  });
  const live = await readCurrent(bucket, models, backbone.name);
  return {
    name,
    version,
    backbone: backboneText(backbone),
    backbone_is_live: live?.version === backbone.version,
    uploaded,
    bytes,
    replaced,
  };
}

/** Uploads a file unless the bucket has it. Returns whether it was uploaded. */
async function upload(
  bucket: PackBucket,
  key: string,
  file: Omit<PackFile, "name">,
  read: () => Promise<Uint8Array>,
): Promise<boolean> {
  if (await isStored(bucket, key, file)) return false;
  await bucket.put(key, await read(), { sha256: file.sha256 });
  return true;
}

/**
 * Compares a stored object with a file by size and by the hash that R2 keeps.
 * @returns undefined if the size is right and R2 has no hash, as for an object that another tool uploaded
 */
export async function isStored(
  bucket: PackBucket,
  key: string,
  { bytes, sha256 }: Omit<PackFile, "name">,
): Promise<boolean | undefined> {
  const head = await bucket.head(key);
  if (head?.size !== bytes) return false;
  const kept = head.checksums.sha256;
  return kept && Buffer.from(kept).toString("hex") === sha256;
}

async function withEntry(
  bucket: StoreBucket,
  name: string,
  entry: HeadEntry,
  before: HeadCurrent | undefined,
): Promise<HeadCurrent> {
  const live = [entry];
  for (const other of before?.live ?? []) {
    if (backboneText(other.backbone) === backboneText(entry.backbone)) continue;
    // A pruned model version cannot become live again, so its head is dropped.
    if (await bucket.head(manifestKey(other.backbone))) live.push(other);
  }
  if (live.length > maxHeadBackbones) {
    throw new BucketFixError(
      `the head ${name} is live on ${live.length - 1} other model versions; at most ${maxHeadBackbones} are allowed`,
      "delete old versions of the model",
      ["model", "prune", entry.backbone.name],
    );
  }
  const history = (before?.history ?? []).filter(({ version }) => version !== entry.version);
  return { format: 1, name, live, history: [entry, ...history].slice(0, maxHeadHistory) };
}

async function checkBackbone(bucket: StoreBucket, backbone: Backbone, featureSize: number): Promise<void> {
  const object = await bucket.get(manifestKey(backbone));
  if (!object) throw await missingBackbone(bucket, backbone);
  const { data: manifest } = manifestSchema.safeParse(JSON.parse(await object.text()));
  if (manifest && manifest.feature_size !== featureSize) {
    throw new CommandError(
      `the head takes ${featureSize} features, but ${backboneText(backbone)} has ${manifest.feature_size}`,
      { fix: "train the head again" },
    );
  }
}

async function missingBackbone(bucket: StoreBucket, backbone: Backbone): Promise<BucketFixError> {
  const live: string[] = [];
  for (const name of await namesOf(bucket, models)) {
    const current = await readCurrent(bucket, models, name);
    if (current) live.push(backboneText(current));
  }
  return new BucketFixError(
    `the head was trained on ${backboneText(backbone)}, which the bucket does not have (live: ${live.join(", ") || "no model"}); nothing was changed`,
    "train the head on a live version, or push that one first",
    ["model", "push", backbone.name, "--stage"],
  );
}

function manifestKey(backbone: Backbone): string {
  return `${backboneText(backbone)}/manifest.json`;
}

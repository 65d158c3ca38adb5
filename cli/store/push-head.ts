/**
 * Uploads a head to R2 and makes it live on the version of the model that it was trained on; what is live on other
 * versions stays. current.json is written last, so that a push cut off at any point leaves what was live.
 */
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
import type { Progress } from "../terminal/progress.ts";
import { listModelNames, type StoreBucket } from "./bucket.ts";
import { readCurrent } from "./current.ts";
import { updateHeadCurrent } from "./head-history.ts";
import type { LocalHead } from "./local-head.ts";
import { isThere } from "./push.ts";

export interface HeadPushReport {
  readonly name: string;
  readonly version: string;
  /** name/version of the model that it is for. */
  readonly backbone: string;
  /** Whether that is what its model answers with. */
  readonly backbone_is_live: boolean;
  readonly uploaded: boolean;
  readonly bytes: number;
  /** The version that was live on this backbone before. */
  readonly replaced: string | null;
}

/** @throws CommandError when the bucket has no such version of the model */
export async function pushHead(
  bucket: StoreBucket,
  { head, content, sha256 }: LocalHead,
  progress: Progress,
): Promise<HeadPushReport> {
  const { name, version, backbone, feature_size } = head.file;
  await checkBackbone(bucket, backbone, feature_size);
  const key = headKey(name, version);
  const bytes = content.length;
  progress.update(`push ${name}`, 0, 1);
  const there = await isThere(bucket, key, { name: key, bytes, sha256 });
  // R2 checks the hash on arrival and keeps it, for the next push to compare.
  if (!there) await bucket.put(key, content, { sha256 });
  progress.update(`push ${name}`, 1, 1);
  progress.stop();
  const replaced = await updateHeadCurrent(bucket, name, async (before) => {
    const old = before && liveOn(before, backbone);
    if (old?.version === version && old.sha256 === sha256) return { next: undefined, report: null };
    const entry = { version, backbone, bytes, sha256, pushed_at: new Date().toISOString() };
    const next = await withEntry(bucket, name, entry, before);
    return { next, report: old && old.version !== version ? old.version : null };
  });
  return {
    name,
    version,
    backbone: backboneText(backbone),
    backbone_is_live: (await readCurrent(bucket, backbone.name))?.version === backbone.version,
    uploaded: !there,
    bytes,
    replaced,
  };
}

async function withEntry(
  bucket: StoreBucket,
  name: string,
  entry: HeadEntry,
  before: HeadCurrent | undefined,
): Promise<HeadCurrent> {
  const others = (before?.live ?? []).filter(
    (live) => backboneText(live.backbone) !== backboneText(entry.backbone),
  );
  const live = [entry, ...(await withBackbone(bucket, others))];
  if (live.length > maxHeadBackbones) {
    throw new CommandError(
      `the head ${name} is live on ${others.length} other versions of the model already, the most there may be; delete old versions of the model: npm run model -- prune ${entry.backbone.name}`,
    );
  }
  const history = (before?.history ?? []).filter(({ version }) => version !== entry.version);
  return { format: 1, name, live, history: [entry, ...history].slice(0, maxHeadHistory) };
}

/** A version of the model that was pruned cannot come back, and neither can what was live on it. */
async function withBackbone(bucket: StoreBucket, entries: readonly HeadEntry[]): Promise<HeadEntry[]> {
  const kept: HeadEntry[] = [];
  for (const entry of entries) if (await bucket.head(manifestKey(entry.backbone))) kept.push(entry);
  return kept;
}

async function checkBackbone(bucket: StoreBucket, backbone: Backbone, featureSize: number): Promise<void> {
  const object = await bucket.get(manifestKey(backbone));
  if (!object) throw await noBackbone(bucket, backbone);
  const manifest = manifestSchema.safeParse(JSON.parse(await object.text()));
  if (manifest.success && manifest.data.feature_size !== featureSize) {
    throw new CommandError(
      `the head takes ${featureSize} features, and ${backboneText(backbone)} gives ${manifest.data.feature_size}; train it again`,
    );
  }
}

async function noBackbone(bucket: StoreBucket, backbone: Backbone): Promise<CommandError> {
  const live: string[] = [];
  for (const name of await listModelNames(bucket)) {
    const current = await readCurrent(bucket, name);
    if (current) live.push(`${name}/${current.version}`);
  }
  const here = live.length === 0 ? "no model is live" : `live: ${live.join(", ")}`;
  return new CommandError(
    `the head was trained on ${backboneText(backbone)}, which the bucket does not have (${here}); push that version first (npm run model -- push ${backbone.name} --stage), or train the head on a live one; nothing was changed`,
  );
}

function manifestKey({ name, version }: Backbone): string {
  return `${name}/${version}/manifest.json`;
}

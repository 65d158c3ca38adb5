/** What the bucket holds of each head: which is live on which version of the model, and those before. */
import {
  backboneText,
  type HeadCurrent,
  type HeadEntry,
  headCurrentKey,
  headCurrentSchema,
  headKey,
  liveOn,
} from "../../src/head/live-heads.ts";
import { headsFolder } from "../../src/model/manifest.ts";
import { CommandError } from "../terminal/fail.ts";
import { listFolders, listObjects, type PackBucket, type StoreBucket } from "./bucket.ts";
import { type Change, updateObject } from "./update-object.ts";

export interface HeadVersionListing {
  readonly version: string;
  /** The version of the model that it is for: name/version. */
  readonly backbone: string;
  /** Whether it is the one that this version of the model answers with. */
  readonly live: boolean;
  readonly pushed_at: string;
  readonly bytes: number;
  /** Whether its file is in the bucket. */
  readonly there: boolean;
}

export interface HeadListing {
  readonly name: string;
  /** Newest first. */
  readonly versions: readonly HeadVersionListing[];
}

/** All heads, or the one named. @throws CommandError when the one named is not there */
export async function listHeads(bucket: StoreBucket, name?: string): Promise<HeadListing[]> {
  const names = await headNames(bucket);
  if (name !== undefined && !names.includes(name)) throw unknownHead(name, names);
  const heads: HeadListing[] = [];
  for (const each of name === undefined ? names : [name]) {
    const current = await readHeadCurrent(bucket, each);
    if (current) heads.push(await listHead(bucket, current));
  }
  return heads;
}

export function headNames(bucket: StoreBucket): Promise<string[]> {
  return listFolders(bucket, `${headsFolder}/`);
}

async function listHead(bucket: StoreBucket, current: HeadCurrent): Promise<HeadListing> {
  const { name } = current;
  const keys = new Set((await listObjects(bucket, `${headsFolder}/${name}/`)).map(({ key }) => key));
  const versions = withLive(current).map((entry) => ({
    version: entry.version,
    backbone: backboneText(entry.backbone),
    live: liveOn(current, entry.backbone)?.version === entry.version,
    pushed_at: entry.pushed_at,
    bytes: entry.bytes,
    there: keys.has(headKey(name, entry.version)),
  }));
  return { name, versions };
}

/** The history, and what is live and so old that it is no longer in it. */
export function withLive({ live, history }: HeadCurrent): HeadEntry[] {
  const listed = new Set(history.map(({ version }) => version));
  return [...history, ...live.filter(({ version }) => !listed.has(version))];
}

/** @throws CommandError when it is there and not valid */
export async function readHeadCurrent(bucket: PackBucket, name: string): Promise<HeadCurrent | undefined> {
  const object = await bucket.get(headCurrentKey(name));
  return object ? parseHeadCurrent(name, await object.text()) : undefined;
}

/** Changes it as updateObject does: what another command writes at the same time is never lost. */
export function updateHeadCurrent<R>(
  bucket: PackBucket,
  name: string,
  change: (before: HeadCurrent | undefined) => Promise<Change<HeadCurrent, R>>,
): Promise<R> {
  return updateObject(bucket, headCurrentKey(name), (text) => parseHeadCurrent(name, text), change);
}

function parseHeadCurrent(name: string, text: string): HeadCurrent {
  const parsed = headCurrentSchema.safeParse(parseJson(text));
  if (parsed.success && parsed.data.name === name) return parsed.data;
  const key = headCurrentKey(name);
  throw new CommandError(`${key} in the bucket is not of format 1; delete it and push the head again`);
}

export function unknownHead(name: string, names: readonly string[]): CommandError {
  const here = names.length === 0 ? "it has none" : `here are: ${names.join(", ")}`;
  return new CommandError(
    `the bucket has no head ${name} (${here}); expected one that was pushed: npm run head -- push FILE`,
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

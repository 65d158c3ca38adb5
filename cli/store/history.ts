/** Lists what the bucket holds of each model and head: the live version, earlier versions, and leftovers. */
import {
  backboneText,
  type HeadCurrent,
  type HeadEntry,
  headKey,
  liveOn,
} from "../../src/head/live-heads.ts";
import { packVersionSchema } from "../../src/model/manifest.ts";
import { listObjects, type StoreBucket } from "./bucket.ts";
import { type AnyKind, heads, models, namesOf, readCurrent, unknownName } from "./current.ts";

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

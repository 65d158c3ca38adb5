/** What the bucket holds of each model: the live version, those before it, and what is in no history. */
import { packVersionSchema } from "../../src/model/manifest.ts";
import { CommandError } from "../terminal/fail.ts";
import { type ListedObject, listModelNames, listObjects, type StoreBucket } from "./bucket.ts";
import { readCurrent } from "./current.ts";

export interface VersionListing {
  readonly version: string;
  readonly live: boolean;
  /** Null for a version that is in no history: an interrupted push or prune left it. */
  readonly pushed_at: string | null;
  readonly objects: number;
  readonly bytes: number;
}

export interface ModelListing {
  readonly name: string;
  /** Null when no version has gone live yet. */
  readonly live: string | null;
  /** Newest first, those of no history last. */
  readonly versions: readonly VersionListing[];
}

/** All models, or the one named. @throws CommandError when the one named is not there */
export async function listModels(bucket: StoreBucket, name?: string): Promise<ModelListing[]> {
  const names = await listModelNames(bucket);
  if (name !== undefined && !names.includes(name)) throw unknownModel(name, names);
  const models: ModelListing[] = [];
  for (const each of name === undefined ? names : [name]) models.push(await listModel(bucket, each));
  // A folder of another kind is no model.
  return models.filter(({ live, versions }) => live !== null || versions.length > 0);
}

export async function listModel(bucket: StoreBucket, name: string): Promise<ModelListing> {
  const current = await readCurrent(bucket, name);
  const stored = byVersion(name, await listObjects(bucket, `${name}/`));
  const history = current?.history ?? [];
  const listed = new Set(history.map(({ version }) => version));
  const orphans = [...stored.keys()].filter((version) => !listed.has(version));
  const rows = [...history, ...orphans.map((version) => ({ version, pushed_at: null }))];
  const versions = rows.map(({ version, pushed_at }) => {
    const objects = stored.get(version) ?? [];
    const bytes = objects.reduce((sum, { size }) => sum + size, 0);
    return { version, live: version === current?.version, pushed_at, objects: objects.length, bytes };
  });
  return { name, live: current?.version ?? null, versions };
}

/** The objects of each version; keys of another form are not ours. */
function byVersion(name: string, objects: readonly ListedObject[]): Map<string, ListedObject[]> {
  const versions = new Map<string, ListedObject[]>();
  for (const object of objects) {
    const [version = "", file] = object.key.slice(name.length + 1).split("/");
    if (file === undefined || !packVersionSchema.safeParse(version).success) continue;
    versions.set(version, [...(versions.get(version) ?? []), object]);
  }
  return versions;
}

export function unknownModel(name: string, names: readonly string[]): CommandError {
  const here = names.length === 0 ? "it is empty" : `here are: ${names.join(", ")}`;
  return new CommandError(
    `the bucket has no model ${name} (${here}); expected one that was pushed: npm run model -- push ${name}`,
  );
}

/**
 * The current.json of a model or a head: which version is live, and which versions were pushed before. Writing it makes
 * a version live.
 */
import type { z } from "zod";
import { type HeadCurrent, headCurrentSchema, headMetadata } from "../../src/head/live-heads.ts";
import { type Current, currentSchema, headsFolder } from "../../src/model/manifest.ts";
import { CommandError } from "../terminal/fail.ts";
import { BucketFixError, listFolders, type PackBucket, type StoreBucket } from "./bucket.ts";

/** What has versions in the bucket: models or heads. */
export interface AnyKind {
  readonly noun: "model" | "head";
  /** Where the bucket has one folder per name: "" or a prefix that ends in "/". */
  readonly folder: string;
}

/** A kind with the content of its current.json. */
export interface Kind<T extends { readonly name: string }> extends AnyKind {
  readonly schema: z.ZodType<T>;
  /** R2 metadata of its current.json. */
  readonly metadata: (current: T) => Readonly<Record<string, string>>;
}

/** Models: `<name>/current.json`. */
export const models: Kind<Current> = {
  noun: "model",
  folder: "",
  schema: currentSchema,
  metadata: () => ({}),
};

/** Heads: `heads/<name>/current.json`. */
export const heads: Kind<HeadCurrent> = {
  noun: "head",
  folder: `${headsFolder}/`,
  schema: headCurrentSchema,
  metadata: headMetadata,
};

/** What a change makes of a current.json. */
export interface Change<T, R> {
  /** The new content. Without it, nothing is written. */
  readonly next?: T | undefined;
  /** What the caller wants to know about the change. */
  readonly report: R;
}

/** One of several simultaneous writers always succeeds, so this many can run at once. */
const maxAttempts = 10;

/**
 * Returns the current.json of `name`, or undefined if there is none.
 * @throws CommandError when it is not valid
 */
export async function readCurrent<T extends { name: string }>(
  bucket: PackBucket,
  kind: Kind<T>,
  name: string,
): Promise<T | undefined> {
  const object = await bucket.get(currentKey(kind, name));
  return object ? parseCurrent(kind, name, await object.text()) : undefined;
}

/**
 * Replaces a current.json without losing what another command writes at the same time: writes with R2's `onlyIf`, and
 * starts again from the newer content when the object has changed. `change` may therefore run several times.
 * @param change receives undefined if there is no current.json yet
 * @returns the report of the change that was written
 * @throws CommandError after 10 attempts
 */
export async function updateCurrent<T extends { name: string }, R>(
  bucket: PackBucket,
  kind: Kind<T>,
  name: string,
  change: (before: T | undefined) => Promise<Change<T, R>>,
): Promise<R> {
  const key = currentKey(kind, name);
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const object = await bucket.get(key);
    const { next, report } = await change(object ? parseCurrent(kind, name, await object.text()) : undefined);
    if (next === undefined) return report;
    const onlyIf = object ? { etagMatches: object.etag } : ({ etagDoesNotMatch: "*" } as const);
    const customMetadata = kind.metadata(next);
    const written = await bucket.put(key, `${JSON.stringify(next, null, 2)}\n`, { onlyIf, customMetadata });
    if (written !== null) return report;
  }
  throw new CommandError(
    `other commands changed ${key} ${maxAttempts} times while this command tried to write it; nothing has gone live, run the command again when they have finished`,
  );
}

/**
 * Makes a model's version live, as the newest of its history.
 * @returns the version that was live before; null when there was none, or when it was the same
 */
export function makeLive(bucket: PackBucket, name: string, version: string): Promise<string | null> {
  return updateCurrent<Current, string | null>(bucket, models, name, async (before) => {
    if (before?.version === version) return { report: null };
    const others = (before?.history ?? []).filter((entry) => entry.version !== version);
    const history = [{ version, pushed_at: new Date().toISOString() }, ...others];
    return { next: { format: 1, name, version, history }, report: before?.version ?? null };
  });
}

/** Deletes a current.json, so that nothing of `name` is live. R2 cannot delete on a condition. */
export async function deleteCurrent(bucket: StoreBucket, kind: AnyKind, name: string): Promise<void> {
  await bucket.delete(currentKey(kind, name));
}

/** Returns the names of the models or of the heads in the bucket. */
export async function namesOf(bucket: StoreBucket, { folder }: AnyKind): Promise<string[]> {
  return (await listFolders(bucket, folder)).filter((name) => name !== headsFolder);
}

/** Builds the error for a name that is not in the bucket. */
export function unknownName({ noun }: AnyKind, name: string, names: readonly string[]): BucketFixError {
  const what = `the bucket has no ${noun} ${name}; available: ${names.join(", ") || "none"}`;
  return new BucketFixError(what, "push it first", [noun, "push", noun === "model" ? name : "FILE"]);
}

function currentKey({ folder }: AnyKind, name: string): string {
  return `${folder}${name}/current.json`;
}

function parseCurrent<T extends { name: string }>(kind: Kind<T>, name: string, text: string): T {
  try {
    const current = kind.schema.parse(JSON.parse(text));
    if (current.name === name) return current;
  } catch {
    // Not JSON, or not of the schema.
  }
  throw new CommandError(`${currentKey(kind, name)} in the bucket is not valid; expected format 1`, {
    fix: `delete it and push the ${kind.noun} again`,
  });
}

/** `<name>/current.json`: which version is live, and which were before. Writing it is what makes a version live. */
import { type Current, currentSchema } from "../../src/model/manifest.ts";
import { CommandError } from "../terminal/fail.ts";
import type { PackBucket } from "./bucket.ts";
import { type Change, updateObject } from "./update-object.ts";

/** @throws CommandError when it is there and not valid */
export async function readCurrent(bucket: PackBucket, name: string): Promise<Current | undefined> {
  const object = await bucket.get(currentKey(name));
  return object ? parseCurrent(name, await object.text()) : undefined;
}

/** Changes it as updateObject does: what another command writes at the same time is never lost. */
export function updateCurrent<R>(
  bucket: PackBucket,
  name: string,
  change: (before: Current | undefined) => Promise<Change<Current, R>>,
): Promise<R> {
  return updateObject(bucket, currentKey(name), (text) => parseCurrent(name, text), change);
}

/**
 * Makes `version` live, as the newest of the history.
 * @returns the version that was live before; null when there was none, or it was the same one
 */
export function makeLive(bucket: PackBucket, name: string, version: string): Promise<string | null> {
  return updateCurrent(bucket, name, async (before) => {
    if (before?.version === version) return { next: undefined, report: null };
    const history = (before?.history ?? []).filter((entry) => entry.version !== version);
    const pushed = { version, pushed_at: new Date().toISOString() };
    const next: Current = { format: 1, name, version, history: [pushed, ...history] };
    return { next, report: before?.version ?? null };
  });
}

const currentKey = (name: string) => `${name}/current.json`;

function parseCurrent(name: string, text: string): Current {
  const parsed = currentSchema.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  throw new CommandError(`${currentKey(name)} in the bucket is not of format 1; delete it and push again`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

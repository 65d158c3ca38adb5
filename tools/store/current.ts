/** `<name>/current.json`: which version is live, and which were before. Writing it is what makes a version live. */
import { type Current, currentSchema } from "../../src/model/manifest.ts";
import { CommandError } from "../terminal/fail.ts";
import type { PackBucket } from "./bucket.ts";

export async function readCurrent(bucket: PackBucket, name: string): Promise<Current | undefined> {
  const object = await bucket.get(currentKey(name));
  if (!object) return undefined;
  const parsed = currentSchema.safeParse(parseJson(await object.text()));
  if (!parsed.success) {
    throw new CommandError(`${currentKey(name)} in the bucket is not of format 1; delete it and push again`);
  }
  return parsed.data;
}

/** Makes `version` live, as the newest of the history. */
export async function makeLive(
  bucket: PackBucket,
  name: string,
  version: string,
  before: Current | undefined,
): Promise<void> {
  const history = (before?.history ?? []).filter((entry) => entry.version !== version);
  const pushed = { version, pushed_at: new Date().toISOString() };
  await writeCurrent(bucket, { format: 1, name, version, history: [pushed, ...history] });
}

export async function writeCurrent(bucket: PackBucket, current: Current): Promise<void> {
  await bucket.put(currentKey(current.name), `${JSON.stringify(current, null, 2)}\n`);
}

const currentKey = (name: string) => `${name}/current.json`;

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

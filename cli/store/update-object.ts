/** Changes one JSON object in the bucket without losing what another command writes at the same time. */
import { CommandError } from "../terminal/fail.ts";
import type { PackBucket } from "./bucket.ts";

/** Of several commands that write at the same time one always succeeds, so this many can run at once. */
const maxAttempts = 10;

/** What a change makes of an object. */
export interface Change<T, R> {
  /** The new content; undefined to leave the object as it is. */
  readonly next: T | undefined;
  /** What the caller wants to know about the change. */
  readonly report: R;
}

/**
 * Reads the object, has `change` make the new content from it, and writes that only if nobody else has written meanwhile
 * (R2's `onlyIf`). Otherwise it starts again from the newer content, so `change` may run several times.
 * @param parse reads the object's text; throws CommandError when it is not valid
 * @param change undefined stands for an object that does not exist
 * @returns the report of the change that was written
 * @throws CommandError after 10 attempts
 */
export async function updateObject<T, R>(
  bucket: PackBucket,
  key: string,
  parse: (text: string) => T,
  change: (before: T | undefined) => Promise<Change<T, R>>,
): Promise<R> {
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const object = await bucket.get(key);
    const { next, report } = await change(object ? parse(await object.text()) : undefined);
    if (next === undefined) return report;
    const onlyIf = object ? { etagMatches: object.etag } : ({ etagDoesNotMatch: "*" } as const);
    const written = await bucket.put(key, `${JSON.stringify(next, null, 2)}\n`, { onlyIf });
    if (written !== null) return report;
  }
  throw new CommandError(
    `other commands changed ${key} ${maxAttempts} times while this command tried to write it; nothing has gone live, run the command again when they have finished`,
  );
}

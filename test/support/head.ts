/** Head files in a bucket. */
import { createHash } from "node:crypto";
import type { RandomHead } from "../../cli/head/random-head.ts";
import type { PutOptions } from "../../cli/store/bucket.ts";
import {
  type HeadCurrent,
  type HeadEntry,
  headCurrentKey,
  headKey,
  headMetadata,
} from "../../src/head/live-heads.ts";

interface Puts {
  put(key: string, value: Uint8Array | string, options?: PutOptions): Promise<unknown>;
}

export function entryOf({ file, bytes }: RandomHead): HeadEntry {
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const { version, backbone } = file;
  return { version, backbone, bytes: bytes.length, sha256, pushed_at: "2026-01-01T00:00:00Z" };
}

/** Puts heads of one name into the bucket, each live for its version of the model. */
export async function seedHeads(bucket: Puts, ...heads: RandomHead[]): Promise<void> {
  const name = heads[0]?.file.name ?? "";
  for (const { file, bytes } of heads) await bucket.put(headKey(name, file.version), bytes);
  const live = heads.map(entryOf);
  const current: HeadCurrent = { format: 1, name, live, history: live };
  const customMetadata = headMetadata(current);
  await bucket.put(headCurrentKey(name), JSON.stringify(current), { customMetadata });
}

/** Fills the local storage that each Worker copies when it starts. */
import { readFile } from "node:fs/promises";
import { sha256Hex } from "../../src/bytes/sha256.ts";
import { parseHead } from "../../src/head/head.ts";
import { withLocalBucket } from "../store/local-bucket.ts";
import { readLocalPack } from "../store/local-pack.ts";
import { pushHead, pushPack } from "../store/push.ts";
import { silentProgress } from "../terminal/progress.ts";

/** Makes the pack of a folder live. */
export async function seedPack(stateFolder: string, packFolder: string): Promise<void> {
  const pack = await readLocalPack(packFolder);
  await withLocalBucket((bucket) => pushPack(bucket, pack, silentProgress), { persistTo: stateFolder });
}

/** Makes a head live on the version of the model that it names. */
export async function seedHead(stateFolder: string, content: Uint8Array): Promise<void> {
  const head = { head: await parseHead(content), content, sha256: await sha256Hex(content) };
  await withLocalBucket((bucket) => pushHead(bucket, head, silentProgress), { persistTo: stateFolder });
}

/** Stores one file under a key. */
export async function seedFile(stateFolder: string, key: string, file: string): Promise<void> {
  const bytes = await readFile(file);
  // Do not return the result of put: it cannot be used after workerd has stopped.
  await withLocalBucket(async (bucket) => void (await bucket.put(key, bytes)), { persistTo: stateFolder });
}

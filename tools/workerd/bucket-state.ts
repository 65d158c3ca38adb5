/** Local storage with a seeded bucket, made once and copied for each Worker. */
import { readFile } from "node:fs/promises";
import { withLocalBucket } from "../store/local-bucket.ts";
import { readLocalPack } from "../store/local-pack.ts";
import { pushPack } from "../store/push.ts";
import { silentProgress } from "../terminal/progress.ts";

export async function seedPack(stateFolder: string, packFolder: string): Promise<void> {
  const pack = await readLocalPack(packFolder);
  await withLocalBucket((bucket) => pushPack(bucket, pack, silentProgress), { persistTo: stateFolder });
}

/** One file under one key. */
export async function seedFile(stateFolder: string, key: string, file: string): Promise<void> {
  const bytes = await readFile(file);
  // What put returns lives in workerd, which is gone by then.
  await withLocalBucket(async (bucket) => void (await bucket.put(key, bytes)), { persistTo: stateFolder });
}

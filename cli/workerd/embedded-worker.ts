/** Runs the Worker inside the process of a command, with a bucket that exists only as long as the command. */
import path from "node:path";
import { createTestHarness } from "wrangler";
import type { PackBucket } from "../store/bucket.ts";
import { findPackFolder, readLocalPack } from "../store/local-pack.ts";
import { offlineEnv, projectFolder } from "../store/project.ts";
import { pushPack } from "../store/push.ts";
import { silentProgress } from "../terminal/progress.ts";

/** Starts Workers from their source or from a build, inside this process. */
export function harnessOf(
  worker: { vars?: Record<string, string | number>; prebuiltWorkerDir?: string } = {},
) {
  // Wrangler's messages would otherwise go to stdout, between the results.
  Object.assign(process.env, offlineEnv, { WRANGLER_LOG: "warn" });
  const configPath = path.join(projectFolder, "wrangler.toml");
  return createTestHarness({ root: projectFolder, workers: [{ configPath, ...worker }] });
}

/** Returns the bucket of the Worker that a harness runs. */
export async function bucketOf(harness: ReturnType<typeof harnessOf>): Promise<PackBucket> {
  return (await harness.getWorker<{ MODELS: PackBucket }>().getEnv()).MODELS;
}

/**
 * Runs `work` while a Worker serves a pack.
 * @param name a name in model-shards, or the path of a folder
 * @throws CommandError when there is no such pack
 */
export async function withEmbeddedWorker<T>(
  name: string,
  work: (harness: ReturnType<typeof harnessOf>, url: URL) => Promise<T>,
): Promise<T> {
  const pack = await readLocalPack(await findPackFolder(name));
  const harness = harnessOf({ vars: { MODEL_NAME: pack.manifest.name } });
  try {
    const { url } = await harness.listen();
    await pushPack(await bucketOf(harness), pack, silentProgress);
    return await work(harness, url);
  } finally {
    await harness.close();
  }
}

/** The bucket of wrangler's local storage: what `wrangler dev` serves from. */
import path from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { getPlatformProxy } from "wrangler";
import type { StoreBucket } from "./bucket.ts";
import { bucketConfig, projectFolder, readProjectConfig, withConfigFile } from "./platform-config.ts";

export { projectFolder } from "./platform-config.ts";

/** Environment for wrangler and miniflare: offline and quiet. */
export const offlineEnv: Readonly<Record<string, string>> = {
  // Miniflare would fetch a sample Request.cf, and print a stack trace when it cannot.
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_HIDE_BANNER: "true",
};

/** The same for a Worker within a command: what wrangler tells of it would go to stdout, between the results. */
export const embeddedEnv: Readonly<Record<string, string>> = { ...offlineEnv, WRANGLER_LOG: "warn" };

export interface LocalBucketOptions {
  /** Name of the bucket, when it is not wrangler.toml's. */
  readonly bucket?: string;
  /** Where the storage is kept, as `wrangler dev --persist-to` means it; the project's `.wrangler/state` by default. */
  readonly persistTo?: string;
}

/** Runs `work` on the local bucket, and lets go of it afterwards. */
export async function withLocalBucket<T>(
  work: (bucket: StoreBucket) => Promise<T>,
  { bucket, persistTo = path.join(projectFolder, ".wrangler", "state") }: LocalBucketOptions = {},
): Promise<T> {
  Object.assign(process.env, offlineEnv);
  const choice = bucket === undefined ? { remote: false } : { remote: false, bucket };
  return withConfigFile(bucketConfig(readProjectConfig(), choice), async (configPath) => {
    const proxy = await getPlatformProxy<{ MODELS: StoreBucket }>({
      configPath,
      remoteBindings: false,
      persist: { path: path.join(persistTo, "v3") },
    });
    try {
      return await work(patient(proxy.env.MODELS));
    } finally {
      await proxy.dispose();
    }
  });
}

/** Attempts at one operation while another process has the storage locked. */
const maxLockedAttempts = 20;
const lockedPauseMs = 25;

/**
 * The same bucket for several commands at once. Local storage is an SQLite file: while another process writes to it, an
 * operation fails without effect, with an error that does not say so. R2 itself has no such lock.
 */
function patient(bucket: StoreBucket): StoreBucket {
  async function attempt<T>(operation: () => Promise<T>): Promise<T> {
    for (let attempts = 1; ; attempts++) {
      try {
        return await operation();
      } catch (error) {
        const locked = error instanceof Error && error.message.includes("Unspecified error (0)");
        if (!locked || attempts === maxLockedAttempts) throw error;
        // Two that meet must not meet again.
        await wait(lockedPauseMs * (1 + Math.random()));
      }
    }
  }
  return {
    head: (key) => attempt(() => bucket.head(key)),
    get: (key) => attempt(() => bucket.get(key)),
    put: (key, value, options) => attempt(() => bucket.put(key, value, options)),
    list: (options) => attempt(() => bucket.list(options)),
    delete: (keys) => attempt(() => bucket.delete(keys)),
  };
}

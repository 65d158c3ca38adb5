/** Opens the bucket in wrangler's local storage, which `wrangler dev` serves from. */
import path from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { StoreBucket } from "./bucket.ts";
import { bucketNameOf, readProjectConfig, withBucket } from "./platform-config.ts";
import { offlineEnv, projectFolder } from "./project.ts";

const defaultStorage = path.join(projectFolder, ".wrangler", "state");

/**
 * Opens a local bucket while `work` runs.
 * @param options.bucket name of the bucket; default: the one in wrangler.toml
 * @param options.persistTo folder of the storage, as for `wrangler dev --persist-to`
 */
export async function withLocalBucket<T>(
  work: (bucket: StoreBucket) => Promise<T>,
  options: { readonly bucket?: string | undefined; readonly persistTo?: string | undefined } = {},
): Promise<T> {
  Object.assign(process.env, offlineEnv);
  const { bucket = bucketNameOf(readProjectConfig()), persistTo = defaultStorage } = options;
  return withBucket({ bucket, remote: false }, { path: path.join(persistTo, "v3") }, (opened) =>
    work(retrying(opened)),
  );
}

/** Attempts at one operation while another process has the storage locked. */
const maxLockedAttempts = 20;
const lockedPauseMs = 25;

/**
 * Retries operations on a bucket that several processes use. Local storage is an SQLite file: while another process
 * writes to it, an operation fails without effect, with an unspecific error. R2 itself has no such lock.
 */
function retrying(bucket: StoreBucket): StoreBucket {
  async function attempt<T>(operation: () => Promise<T>): Promise<T> {
    for (let attempts = 1; ; attempts++) {
      try {
        return await operation();
      } catch (error) {
        const locked = error instanceof Error && error.message.includes("Unspecified error (0)");
        if (!locked || attempts === maxLockedAttempts) throw error;
        // Random, so that two processes do not collide again.
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

/** The bucket of wrangler's local storage: what `wrangler dev` serves from. */
import path from "node:path";
import { getPlatformProxy } from "wrangler";
import type { PackBucket } from "./push.ts";

export const projectFolder = path.join(import.meta.dirname, "..", "..");

/** Environment for wrangler and miniflare: offline and quiet. */
export const offlineEnv: Readonly<Record<string, string>> = {
  // Miniflare would fetch a sample Request.cf, and print a stack trace when it cannot.
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_HIDE_BANNER: "true",
};

/** Runs `work` on the local bucket, and lets go of it afterwards. */
export async function withLocalBucket<T>(work: (bucket: PackBucket) => Promise<T>): Promise<T> {
  Object.assign(process.env, offlineEnv);
  const proxy = await getPlatformProxy<{ MODELS: PackBucket }>({
    configPath: path.join(projectFolder, "wrangler.toml"),
    remoteBindings: false,
  });
  try {
    return await work(proxy.env.MODELS);
  } finally {
    await proxy.dispose();
  }
}

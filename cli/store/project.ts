/** Where the project, wrangler and temporary files are. Unlike wrangler itself, which takes a second to load, this costs nothing to import. */
import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

/** The project's folder, with wrangler.toml and package.json. */
export const projectFolder = path.join(import.meta.dirname, "..", "..");

/** Path of wrangler's command line program. */
export const wranglerCli = path.join(projectFolder, "node_modules", "wrangler", "bin", "wrangler.js");

/** Environment for wrangler and miniflare: offline and quiet. */
export const offlineEnv: Readonly<Record<string, string>> = {
  // Otherwise miniflare downloads a sample Request.cf, and prints a stack trace when it cannot.
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_HIDE_BANNER: "true",
};

/** Runs `work` with a temporary folder, which only this user can read, and deletes the folder afterwards. */
export async function withFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(path.join(await realpath(tmpdir()), "edge-resnet-"));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

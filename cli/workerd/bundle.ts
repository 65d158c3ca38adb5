/** Builds Workers as a deploy does, into folders other than `dist`, which another command may be using. */
import { execFile } from "node:child_process";
import { rm } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { offlineEnv } from "../store/local-bucket.ts";
import { projectFolder, wranglerCli } from "../store/platform-config.ts";

/** A built Worker: the script and the .wasm files in its folder. */
export interface Bundle {
  readonly folder: string;
  readonly script: string;
}

/** Builds this project's Worker. */
export async function buildOurs(folder: string): Promise<Bundle> {
  await build(["--config", path.join(projectFolder, "wrangler.toml")], folder);
  return { folder, script: "index.js" };
}

/** Empties `folder` and builds the Worker that `options` name into it. */
export async function build(options: readonly string[], folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  const args = [wranglerCli, "deploy", "--dry-run", "--outdir", folder, ...options];
  const env = { ...process.env, ...offlineEnv };
  await promisify(execFile)(process.execPath, args, { cwd: projectFolder, env, timeout: 120_000 });
}

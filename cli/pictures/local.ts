/** The bucket, the database and the queue that wrangler simulates on this machine. */
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { withLocalBucket } from "../store/local-bucket.ts";
import { readProjectConfig } from "../store/platform-config.ts";
import { projectFolder } from "../store/project.ts";
import { runWrangler } from "../store/wrangler-cli.ts";
import { CommandError } from "../terminal/fail.ts";
import { imageFiles } from "../terminal/paths.ts";
import { type Progress, tracked } from "../terminal/progress.ts";
import type { PicturesApi } from "./api.ts";

/** Name of the bucket, the database and the queue, unless wrangler.toml has others. */
export const defaultName = "edge-resnet-pictures";
/** Notifications that the Worker accepts at once. */
const maxEvents = 100;

/** What wrangler.toml binds. */
export function picturesConfig(config = readProjectConfig()) {
  const bucket = config.r2_buckets.find(({ binding }) => binding === "PICTURES");
  const database = config.d1_databases.find(({ binding }) => binding === "PICTURES_DB");
  return {
    isEnabled: bucket !== undefined && database !== undefined,
    bucket: bucket?.bucket_name ?? defaultName,
    database: database?.database_name ?? defaultName,
  };
}

/**
 * Returns a configuration for `wrangler dev` that labels a bucket: wrangler.toml if it does already. Otherwise writes
 * `wrangler.pictures.toml`, with the blocks that are commented out in wrangler.toml, and with features.
 * @param file to write; in the project's folder, because its paths are relative and .dev.vars is read from there
 */
export async function enabledConfig(
  file = path.join(projectFolder, "wrangler.pictures.toml"),
): Promise<string> {
  const own = path.join(projectFolder, "wrangler.toml");
  if (picturesConfig().isEnabled) return own;
  const enabled = (await readFile(own, "utf8"))
    .split("\n\n")
    .map((block) => (isPicturesBlock(block) ? block.replaceAll(/^# (?=\[\[|\w+ = )/gm, "") : block))
    .join("\n\n")
    .replace('database_id = ""', 'database_id = "local"')
    .replace(/^\[vars\]$/m, '[vars]\nKEEP_FEATURES = "true"')
    // Messages are delivered at once, because nobody pays for the batches.
    .replaceAll("max_batch_timeout = 5", "max_batch_timeout = 1");
  await writeFile(file, enabled);
  return file;
}

/** Whether a block of wrangler.toml belongs to the bucket that is labelled. */
function isPicturesBlock(block: string): boolean {
  return block.includes(defaultName) && /^# \[\[/m.test(block);
}

/** Creates the tables of the local database. @throws CommandError with the reason of wrangler */
export async function migrateLocally(config: string): Promise<void> {
  const args = ["d1", "migrations", "apply", "PICTURES_DB", "--local", "--config", config];
  const { code, stdout, stderr } = await runWrangler(args, "capture", { CI: "1" });
  if (code === 0) return;
  throw new CommandError(`the local database cannot be prepared: ${`${stdout}\n${stderr}`.trim()}`, {
    fix: "delete .wrangler/state/v3/d1 to start with an empty one",
  });
}

/**
 * Puts the image files of a folder into the local bucket, and sends the notifications that R2 would send.
 * @param prefix of the keys
 * @returns how many files there are
 */
export async function importFolder(
  folder: string,
  place: {
    readonly prefix?: string | undefined;
    readonly bucket: string;
    readonly persistTo?: string | undefined;
  },
  api: PicturesApi,
  progress: Progress,
): Promise<number> {
  const { prefix = "", bucket, persistTo } = place;
  const files = await imageFiles(folder);
  await withLocalBucket(
    async (store) => {
      let events: object[] = [];
      for (const file of tracked(progress, "import", files)) {
        const key = `${prefix}${file.split(path.sep).join("/")}`;
        const bytes = await readFile(path.join(folder, file));
        await store.put(key, bytes);
        const object = { key, size: bytes.length };
        events.push({ action: "PutObject", bucket, object, eventTime: new Date().toISOString() });
        if (events.length < maxEvents) continue;
        await api.sendEvents(events);
        events = [];
      }
      if (events.length > 0) await api.sendEvents(events);
    },
    { bucket, persistTo },
  );
  return files.length;
}

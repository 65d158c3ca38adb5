/** Fetches a public model into a folder, under a lock. */
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { CommandError } from "../terminal/fail.ts";
import type { Progress } from "../terminal/progress.ts";
import type { CatalogueEntry } from "./catalogue.ts";
import { download, sha256OfFile, sizeOf } from "./download.ts";

/** What `fetch --json` prints. */
export type FetchReport = Awaited<ReturnType<typeof fetchModel>>;

/**
 * Downloads the model unless `folder` has it. The file gets its name only when its size and SHA-256 are as expected.
 * @throws CommandError naming every mirror and its fault when none serves the file
 */
export async function fetchModel(
  model: Pick<CatalogueEntry, "name" | "file" | "bytes" | "sha256" | "urls">,
  folder: string,
  progress: Progress,
  options = { stallMs: 30_000, retryDelayMs: 1_000 },
) {
  const { name, bytes, sha256 } = model;
  const file = path.join(folder, model.file);
  const facts = { name, file, bytes, sha256 };
  const cached = { ...facts, cached: true, moved_aside: null, url: null, downloaded_bytes: 0 };
  const isThere = async () => (await sizeOf(file)) === bytes && (await sha256OfFile(file)) === sha256;
  if (await isThere()) return cached;
  return withLock(file, async () => {
    // Another process may have finished the download in the meantime.
    if (await isThere()) return cached;
    // A file of that name with other content is kept under a new name.
    const moved_aside = existsSync(file) ? `${file}.wrong` : null;
    if (moved_aside !== null) await rename(file, moved_aside);
    let downloaded_bytes = 0;
    const onBytes = (received: number, have: number) => {
      downloaded_bytes += received;
      progress.update(`fetch ${name}, MB`, Math.floor(have / 1e6), Math.floor(bytes / 1e6));
    };
    const job = { ...model, target: file, part: `${file}.part`, onBytes, ...options };
    const url = await download(job).finally(() => progress.stop());
    return { ...facts, cached: false, moved_aside, url, downloaded_bytes };
  });
}

/**
 * Runs `work` while this process holds `<target>.lock`, so that two processes never append to the same part file. Takes
 * over the lock of a process that has died.
 */
async function withLock<T>(target: string, work: () => Promise<T>): Promise<T> {
  const lock = `${target}.lock`;
  const owner = Number(await readFile(lock, "utf8").catch(() => ""));
  if (isAlive(owner)) {
    throw new CommandError(`process ${owner} is downloading the same file`, {
      fix: `wait for it, or delete ${lock} if it is something else`,
    });
  }
  try {
    await rm(lock, { force: true });
    await mkdir(path.dirname(lock), { recursive: true });
    await writeFile(lock, String(process.pid), { flag: "wx" });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "EEXIST")
      throw new CommandError(`${lock} is taken by another download`, { fix: "wait for it" });
    const what = `${path.dirname(lock)} cannot be written (${code}); expected a folder for downloads`;
    throw new CommandError(what, { fix: "choose another with --to", cause });
  }
  return work().finally(() => rm(lock, { force: true }));
}

function isAlive(pid: number): boolean {
  try {
    // Process 0 would be this process's own group.
    return pid > 0 && process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

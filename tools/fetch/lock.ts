/** One download of a file at a time: two that append to the same part file would spoil it under each other. */
import { mkdir, open, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { CommandError } from "../terminal/fail.ts";

/** Runs `work` while this process holds `<target>.lock`. A lock whose process has died is taken over. */
export async function withLock<T>(target: string, work: () => Promise<T>): Promise<T> {
  const lock = `${target}.lock`;
  await takeLock(lock);
  try {
    return await work();
  } finally {
    await rm(lock, { force: true });
  }
}

async function takeLock(lock: string): Promise<void> {
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      await mkdir(path.dirname(lock), { recursive: true });
      const handle = await open(lock, "wx");
      await handle.writeFile(String(process.pid));
      await handle.close();
      return;
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      if (code !== "EEXIST") {
        throw new CommandError(
          `${path.dirname(lock)} cannot be written (${code}); expected a folder for downloads: choose another with --to`,
          { cause },
        );
      }
    }
    const owner = Number(await readFile(lock, "utf8").catch(() => ""));
    if (isAlive(owner)) {
      throw new CommandError(
        `process ${owner} is downloading the same file; wait for it, or delete ${lock} if it is something else`,
      );
    }
    await rm(lock, { force: true });
  }
  throw new CommandError(`${lock} is taken by another download; wait for it`);
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid < 1) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

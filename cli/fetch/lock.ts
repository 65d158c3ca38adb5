/** Keeps two processes from appending to the same unfinished download. */
import { mkdir, open, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { CommandError } from "../terminal/fail.ts";

/**
 * Runs `work` while this process holds `<target>.lock`. Takes over the lock of a process that has died.
 * @throws CommandError when another process holds the lock, or when the folder is not writable
 */
export async function withLock<T>(target: string, work: () => Promise<T>): Promise<T> {
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
    const handle = await open(lock, "wx");
    await handle.writeFile(String(process.pid));
    await handle.close();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "EEXIST")
      throw new CommandError(`${lock} is taken by another download`, { fix: "wait for it" });
    throw new CommandError(
      `${path.dirname(lock)} cannot be written (${code}); expected a folder for downloads: choose another with --to`,
      { cause },
    );
  }
  try {
    return await work();
  } finally {
    await rm(lock, { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    // 0 would address this process's own group.
    return pid > 0 && process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

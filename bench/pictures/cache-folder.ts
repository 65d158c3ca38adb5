/** Keeps files that take long to make between runs. They are under node_modules, so a fresh install deletes them. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import path from "node:path";
import { projectFolder } from "../../cli/store/project.ts";

/** The folder of all such files. */
export const cacheRoot = path.join(projectFolder, "node_modules", ".cache", "edge-resnet-bench");

/**
 * Returns the folder for files that the code and data in `sources` make. A change in `sources` leads to a new folder,
 * and the old one is deleted.
 * @param sources folders, relative to the project
 */
export async function cacheFolder(kind: string, sources: readonly string[]): Promise<string> {
  const hash = createHash("sha256");
  for (const source of sources) {
    const folder = path.join(projectFolder, source);
    const entries = await readdir(folder, { withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile()).map(({ name }) => name);
    for (const file of files.sort()) hash.update(await readFile(path.join(folder, file)));
  }
  const name = `${kind}-${hash.digest("hex").slice(0, 16)}`;
  await mkdir(path.join(cacheRoot, name), { recursive: true });
  const others = (await readdir(cacheRoot)).filter((entry) => entry.startsWith(`${kind}-`) && entry !== name);
  for (const other of others) await rm(path.join(cacheRoot, other), { recursive: true });
  return path.join(cacheRoot, name);
}

/** Makes a file unless it exists. It gets its name last, so that an interrupted run leaves no incomplete file. */
export async function madeOnce(file: string, make: (temporary: string) => Promise<void>): Promise<string> {
  if (existsSync(file)) return file;
  const temporary = `${file}.${process.pid}`;
  await make(temporary);
  await rename(temporary, file);
  return file;
}

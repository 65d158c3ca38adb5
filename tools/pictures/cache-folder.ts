/** Where what is costly to make is kept between runs: under node_modules, so that nothing outlives a fresh install. */
import { createHash } from "node:crypto";
import { access, mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import path from "node:path";
import { projectFolder } from "../store/platform-config.ts";

export const cacheRoot = path.join(projectFolder, "node_modules", ".cache", "edge-resnet-bench");

/**
 * The folder for things made by the code and data in `sources`; when those change it is another one, and the old one
 * goes.
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

/** Runs `make` with a temporary name and then gives the file its own, so that an interrupted run leaves no half file. */
export async function madeOnce(file: string, make: (temporary: string) => Promise<void>): Promise<string> {
  const there = await access(file).then(
    () => true,
    () => false,
  );
  if (there) return file;
  const temporary = `${file}.${process.pid}`;
  await make(temporary);
  await rename(temporary, file);
  return file;
}

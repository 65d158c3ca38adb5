/** Reads a pack from its folder into memory. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { readLocalPack } from "../store/local-pack.ts";
import type { PackFiles } from "./write-pack.ts";

/**
 * Reads the files that the manifest lists.
 * @throws CommandError when one is missing or differs from the manifest.
 */
export async function readPack(folder: string): Promise<PackFiles> {
  const { manifest } = await readLocalPack(folder);
  const files = new Map<string, Uint8Array>();
  for (const { file } of [...manifest.shards, manifest.labels]) {
    files.set(file, await readFile(join(folder, file)));
  }
  return { manifest, files };
}

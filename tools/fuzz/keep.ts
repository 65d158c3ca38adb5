/** Files that failed, kept so that they can be looked at: the bytes, and beside them how they were made. */
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { seededChoices } from "./choices.ts";
import { hostileFile } from "./generate.ts";
import { largeSeeds, smallSeeds } from "./seeds.ts";
import type { Finding } from "./tally.ts";

/** @returns the paths of the .jpg files; each has a .json of the same name */
export async function keepFindings(
  folder: string,
  seed: number,
  findings: readonly Finding[],
): Promise<string[]> {
  if (findings.length === 0) return [];
  await mkdir(folder, { recursive: true });
  const seeds = [...(await smallSeeds()), ...(await largeSeeds())];
  const files = new Map<string, Finding>();
  for (const finding of findings)
    files.set(path.join(folder, `seed-${seed}-file-${finding.index}.jpg`), finding);
  for (const [file, finding] of files) {
    const { bytes } = hostileFile(seededChoices(seed, finding.index), seeds);
    await writeFile(file, bytes);
    await writeFile(file.replace(/jpg$/, "json"), `${JSON.stringify({ seed, ...finding }, null, 2)}\n`);
  }
  return [...files.keys()];
}

/** Keeps files that failed: the bytes, and beside them how they were made. */
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { seededChoices } from "./choices.ts";
import { hostileFile } from "./generate.ts";
import { largeSeeds, smallSeeds } from "./seeds.ts";
import type { Finding } from "./tally.ts";

/**
 * Writes a .jpg and a .json per file that failed. Of several findings about one file, the last is kept.
 * @returns Paths of the .jpg files.
 */
export async function keepFindings(
  folder: string,
  seed: number,
  findings: readonly Finding[],
): Promise<string[]> {
  if (findings.length === 0) return [];
  await mkdir(folder, { recursive: true });
  const seeds = [...(await smallSeeds()), ...(await largeSeeds())];
  const nameOf = ({ index }: Finding) => path.join(folder, `seed-${seed}-file-${index}`);
  const files = new Map(findings.map((finding) => [nameOf(finding), finding]));
  for (const [file, finding] of files) {
    await writeFile(`${file}.jpg`, hostileFile(seededChoices(seed, finding.index), seeds).bytes);
    await writeFile(`${file}.json`, `${JSON.stringify({ seed, ...finding }, null, 2)}\n`);
  }
  return [...files.keys()].map((file) => `${file}.jpg`);
}

/** Writes docs/soak.md and its drawings. */
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { projectFolder } from "../../../cli/store/platform-config.ts";
import type { SoakResults } from "../results.ts";
import { soakDocument } from "./document.ts";
import { soakPlots } from "./plots.ts";

/** @returns the files, relative to the project */
export async function writeSoakDocs(
  results: SoakResults,
  folder = path.join(projectFolder, "docs"),
): Promise<string[]> {
  const drawn = [...soakPlots(results)].map(([name, svg]) => [path.join("plots", name), svg] as const);
  const files = new Map([["soak.md", soakDocument(results)], ...drawn]);
  await mkdir(path.join(folder, "plots"), { recursive: true });
  for (const [name, content] of files) await writeFile(path.join(folder, name), content);
  return [...files.keys()].map((name) => path.relative(projectFolder, path.join(folder, name)));
}

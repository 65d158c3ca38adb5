/** Writes the documents and charts of a run into docs/. */
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { projectFolder, readProjectConfig } from "../../cli/store/platform-config.ts";
import { plots } from "../report/plots.ts";
import type { Results } from "../results/results.ts";
import { performanceDocument } from "./performance.ts";
import { scalingDocument } from "./scaling.ts";

/** Folder of the documents. */
export const docsFolder = path.join(projectFolder, "docs");

/** @returns the paths of the files, relative to the project */
export async function writeDocs(results: Results, folder = docsFolder): Promise<string[]> {
  const refreshSeconds = Number(readProjectConfig().vars.MODEL_REFRESH_SECONDS ?? 60);
  const files = new Map([
    ["performance.md", performanceDocument(results)],
    ["scaling.md", scalingDocument(results, refreshSeconds)],
    ...[...plots(results)].map(([name, svg]) => [path.join("plots", name), svg] as const),
  ]);
  await mkdir(path.join(folder, "plots"), { recursive: true });
  for (const [name, content] of files) await writeFile(path.join(folder, name), content);
  return [...files.keys()].map((name) => path.relative(projectFolder, path.join(folder, name)));
}

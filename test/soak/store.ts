/** Results as files: one a run, named by its time. */
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { projectFolder } from "../../cli/store/platform-config.ts";
import { CommandError } from "../../cli/terminal/fail.ts";
import { type SoakResults, soakFormat } from "./results.ts";

/** Not in git: runs on whatever machine this is. */
export const soakResultsFolder = path.join(projectFolder, "soak-results");

export async function saveSoak(results: SoakResults, folder = soakResultsFolder): Promise<string> {
  const file = path.join(folder, `${results.startedAt.slice(0, 19).replaceAll(":", "-")}.json`);
  await mkdir(folder, { recursive: true });
  await writeFile(file, `${JSON.stringify(results, null, 1)}\n`);
  return file;
}

/** The newest run. @throws CommandError when there is none, or it is not one of this format */
export async function latestSoak(folder = soakResultsFolder): Promise<SoakResults> {
  const files = (await readdir(folder).catch(() => [])).filter((file) => file.endsWith(".json")).sort();
  const newest = files.at(-1);
  if (newest === undefined) throw new CommandError("there are no results yet; measure first: npm run soak");
  const file = path.join(folder, newest);
  const results = JSON.parse(await readFile(file, "utf8")) as SoakResults;
  if (results.format === soakFormat) return results;
  throw new CommandError(`${file} is not of format ${soakFormat}; measure again: npm run soak`);
}

/** Stores results as files: one per run, named by its time and mode. */
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { projectFolder } from "../../cli/store/platform-config.ts";
import { CommandError } from "../../cli/terminal/fail.ts";
import { type Results, resultsFormat } from "./results.ts";

/** Not in git, since the results depend on the machine. */
export const resultsFolder = path.join(projectFolder, "bench-results");

/** @returns the path of the new file */
export async function saveResults(results: Results, folder = resultsFolder): Promise<string> {
  const time = results.startedAt.slice(0, 19).replaceAll(":", "-");
  const file = path.join(folder, `${time}-${results.mode}.json`);
  await mkdir(folder, { recursive: true });
  await writeFile(file, `${JSON.stringify(results, null, 1)}\n`);
  return file;
}

/**
 * Reads the newest full run, or the newest quick one if there is no full one.
 * @returns undefined when there is none
 */
export async function latestResults(folder = resultsFolder): Promise<Results | undefined> {
  const files = (await readdir(folder).catch(() => [])).filter((file) => file.endsWith(".json")).sort();
  const file = files.findLast((name) => name.endsWith("-full.json")) ?? files.at(-1);
  return file === undefined ? undefined : readResults(path.join(folder, file));
}

/**
 * Reads the results of one run.
 * @throws CommandError when the file is not a results file of this format
 */
export async function readResults(file: string): Promise<Results> {
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new CommandError(`${file} cannot be read; make one: npm run bench`, { cause });
  });
  const results = parse(text);
  if (results?.format === resultsFormat) return results;
  throw new CommandError(
    `${file} is not the results of npm run bench, format ${resultsFormat}; run it again`,
  );
}

function parse(text: string): Results | undefined {
  try {
    return JSON.parse(text) as Results;
  } catch {
    return undefined;
  }
}

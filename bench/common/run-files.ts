/** Stores the results of runs as JSON files, one per run. They depend on the machine, so git ignores them. */
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { CommandError } from "../../cli/terminal/fail.ts";

/** Where the results of a command are, and what they look like. */
export interface RunKind {
  readonly folder: string;
  /** Raise it when a change makes older files unreadable. */
  readonly format: number;
  /** The command that measures. */
  readonly command: string;
}

/** What the results of every command have. */
interface Run {
  readonly format: number;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly mode?: "full" | "quick";
}

/** Saves the results of a run. @returns the path of the new file */
export async function saveRun({ folder }: RunKind, results: Run): Promise<string> {
  const time = results.startedAt.slice(0, 19).replaceAll(":", "-");
  const file = path.join(folder, `${time}-${results.mode ?? "full"}.json`);
  await mkdir(folder, { recursive: true });
  await writeFile(file, `${JSON.stringify(results, null, 1)}\n`);
  return file;
}

/** Reads the newest full run, or the newest quick one if there is no full one. Undefined when there is none. */
export async function findRun<Results extends Run>(kind: RunKind): Promise<Results | undefined> {
  const files = await readdir(kind.folder).catch(() => []);
  const runs = files.filter((file) => file.endsWith(".json")).sort();
  const file = runs.findLast((name) => name.endsWith("-full.json")) ?? runs.at(-1);
  return file === undefined ? undefined : readRun<Results>(kind, path.join(kind.folder, file));
}

/** Does what findRun does. @throws CommandError when there is no run */
export async function latestRun<Results extends Run>(kind: RunKind): Promise<Results> {
  const results = await findRun<Results>(kind);
  if (results) return results;
  throw new CommandError("there are no results yet", { fix: `measure first: ${kind.command}` });
}

/** Reads the results of one run. @throws CommandError when the file is not a results file of this format */
export async function readRun<Results extends Run>(kind: RunKind, file: string): Promise<Results> {
  const { command, format } = kind;
  const read = readFile(file, "utf8").then((text) => JSON.parse(text) as Results);
  const results = await read.catch((cause: unknown) => {
    throw new CommandError(`${file} cannot be read`, { fix: `make one: ${command}`, cause });
  });
  if (results?.format === format) return results;
  throw new CommandError(`${file} does not hold results of ${command} in format ${format}`, {
    fix: `run it again: ${command}`,
  });
}

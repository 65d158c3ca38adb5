/** What is stored of a run: its results as a JSON file, and the machine. Results depend on the machine, so git ignores them. */

import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { projectFolder } from "../../cli/store/project.ts";
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

/** The machine, and the versions of what ran on it. */
export type Machine = Awaited<ReturnType<typeof describeMachine>>;

/** Describes this machine. @param packages npm packages whose versions matter */
export async function describeMachine(packages: readonly string[]) {
  const versions = await Promise.all(
    packages.map(async (name) => {
      const manifest = path.join(projectFolder, "node_modules", name, "package.json");
      const { version } = JSON.parse(await readFile(manifest, "utf8")) as { version: string };
      return [name, version] as const;
    }),
  );
  return {
    cpu: os.cpus()[0]?.model.trim() ?? "unknown",
    cores: os.availableParallelism(),
    memoryBytes: os.totalmem(),
    system: `${os.type()} ${os.release()} ${os.arch()}`,
    /** Load average of the minute before the run. Above 0.5, other programs distort the results. */
    loadBefore: os.loadavg()[0] ?? 0,
    /** Package or program to version. */
    versions: Object.fromEntries([["node", process.versions.node], ...versions]),
    /** Git commit of this project, with a + when the checkout differs from it. */
    commit: await commit(),
  };
}

async function commit(): Promise<string> {
  const git = (...args: string[]) => promisify(execFile)("git", args, { cwd: projectFolder });
  try {
    const head = (await git("rev-parse", "--short=12", "HEAD")).stdout.trim();
    const changed = (await git("status", "--porcelain", "--untracked-files=no")).stdout.trim();
    return changed ? `${head}+` : head;
  } catch {
    // A downloaded archive has no history.
    return "unknown";
  }
}

/** Describes the machine of a run. */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { projectFolder } from "../../cli/store/platform-config.ts";

/** The machine, and the versions of what ran on it. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly system: string;
  /** Load average of the minute before the run. Above 0.5, other programs distort the results. */
  readonly loadBefore: number;
  /** Package or program to version. */
  readonly versions: Readonly<Record<string, string>>;
  /** Git commit of this project, with a + when the checkout differs from it. */
  readonly commit: string;
}

/** @param packages npm packages whose versions matter */
export async function describeMachine(packages: readonly string[]): Promise<Machine> {
  const versions = await Promise.all(
    packages.map(async (name) => [name, await installedVersion(name)] as const),
  );
  return {
    cpu: os.cpus()[0]?.model.trim() ?? "unknown",
    cores: os.availableParallelism(),
    memoryBytes: os.totalmem(),
    system: `${os.type()} ${os.release()} ${os.arch()}`,
    loadBefore: os.loadavg()[0] ?? 0,
    versions: { node: process.versions.node, ...Object.fromEntries(versions) },
    commit: await commit(),
  };
}

async function installedVersion(name: string): Promise<string> {
  const file = path.join(projectFolder, "node_modules", name, "package.json");
  return (JSON.parse(await readFile(file, "utf8")) as { version: string }).version;
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

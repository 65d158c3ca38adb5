/** Describes the machine of a run. */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { projectFolder } from "../../cli/store/platform-config.ts";

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

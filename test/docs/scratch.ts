/** Copies the project, so that commands do not change the user's own `.wrangler`, `dist` and packs. */
import { execFile } from "node:child_process";
import { cp, mkdtemp, realpath, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** A copy, and how to remove it. */
export interface Scratch {
  readonly folder: string;
  remove(): Promise<void>;
}

/** Copies the files that git knows, and links node_modules. @param project a git working tree with its dependencies installed */
export async function scratchCopy(project: string): Promise<Scratch> {
  const list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"];
  const { stdout } = await run("git", list, { cwd: project, maxBuffer: 2 ** 26 });
  const folder = await mkdtemp(path.join(await realpath(tmpdir()), "edge-resnet-docs-"));
  for (const file of stdout.split("\0").filter((name) => name && name !== "node_modules")) {
    // git also lists a file that was deleted but not committed.
    await cp(path.join(project, file), path.join(folder, file)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
    });
  }
  await symlink(path.join(project, "node_modules"), path.join(folder, "node_modules"));
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
}

/** Checks that node_modules matches package-lock.json, and that workerd and wrangler run. */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { z } from "zod";
import { broken, type Finding, ok, type Target } from "./finding.ts";

const programTimeoutMs = 30_000;

const versionSchema = z.object({ version: z.string().optional(), optional: z.boolean().optional() });
const lockSchema = z.object({ packages: z.record(z.string(), versionSchema) });

/** Checks every package of package-lock.json, and the two programs. */
export async function checkDependencies({ folder }: Target): Promise<Finding[]> {
  return [
    await installedFinding(folder),
    await programFinding(folder, "workerd"),
    await programFinding(folder, "wrangler"),
  ];
}

async function installedFinding(folder: string): Promise<Finding> {
  const lock = lockSchema.parse(await readJson(path.join(folder, "package-lock.json")));
  const faults: string[] = [];
  let installed = 0;
  for (const [place, { version, optional }] of Object.entries(lock.packages)) {
    if (place === "" || version === undefined) continue;
    const found = await readJson(path.join(folder, place, "package.json")).catch(() => undefined);
    const actual = versionSchema.safeParse(found).data?.version;
    if (actual === version) installed++;
    // Binaries of other platforms are optional. A missing binary of this platform shows when the program runs.
    else if (actual !== undefined || !optional) {
      const name = place.replace(/^.*node_modules\//, "");
      faults.push(`${name} ${actual === undefined ? "is missing" : `is ${actual}`}, expected ${version}`);
    }
  }
  if (faults.length === 0) return ok(`${installed} packages, as in package-lock.json`);
  const more = faults.length > 3 ? ` and ${faults.length - 3} more` : "";
  const what = `node_modules differs from package-lock.json: ${faults.slice(0, 3).join("; ")}${more}`;
  return broken(what, "npm ci");
}

async function readJson(file: string): Promise<unknown> {
  return JSON.parse(await readFile(file, "utf8"));
}

/** An installed program may still not run: a skipped install script, another platform's binary, an old libc. */
async function programFinding(folder: string, program: "workerd" | "wrangler"): Promise<Finding> {
  // Started without Node: workerd's install script may have replaced its launcher with the binary.
  const file = path.join(folder, "node_modules", ".bin", program);
  try {
    const options = { timeout: programTimeoutMs, shell: process.platform === "win32" };
    const { stdout } = await promisify(execFile)(file, ["--version"], options);
    const version = stdout.trim().split("\n").at(-1)?.replace("workerd ", "");
    return ok(`${program} runs: ${version}`);
  } catch (error) {
    const lines = error instanceof Error ? error.message.split("\n") : [];
    const why = lines.find((line) => /error|ENOENT|EACCES/i.test(line))?.trim() ?? "it did not answer";
    return broken(`${program} does not run: ${why.slice(0, 200)}`, "rm -rf node_modules && npm ci");
  }
}

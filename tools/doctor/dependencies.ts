/** Whether node_modules holds what package-lock.json says, and whether its two programs run here. */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { z } from "zod";
import { broken, type Finding, ok, type Patient } from "./finding.ts";

const run = promisify(execFile);
const programTimeoutMs = 30_000;
const reinstall = "npm ci";

const lockSchema = z.object({
  packages: z.record(
    z.string(),
    z.object({ version: z.string().optional(), optional: z.boolean().optional() }),
  ),
});

export async function checkDependencies({ folder }: Patient): Promise<Finding[]> {
  return [
    await installedFinding(folder),
    await programFinding(folder, "workerd"),
    await programFinding(folder, "wrangler"),
  ];
}

async function installedFinding(folder: string): Promise<Finding> {
  const lock = lockSchema.parse(JSON.parse(await readFile(path.join(folder, "package-lock.json"), "utf8")));
  const faults: string[] = [];
  let installed = 0;
  for (const [place, { version, optional }] of Object.entries(lock.packages)) {
    if (place === "" || version === undefined) continue;
    const actual = await versionIn(path.join(folder, place));
    if (actual === version) installed++;
    // Binaries of other platforms are optional; whether this one's is there, its program tells below.
    else if (actual !== undefined || !optional) {
      const name = place.replace(/^.*node_modules\//, "");
      faults.push(`${name} ${actual === undefined ? "is missing" : `is ${actual}`}, expected ${version}`);
    }
  }
  if (faults.length === 0) return ok(`${installed} packages, as package-lock.json has them`);
  const more = faults.length > 3 ? ` and ${faults.length - 3} more` : "";
  return broken(
    `node_modules differs from package-lock.json: ${faults.slice(0, 3).join("; ")}${more}`,
    reinstall,
  );
}

async function versionIn(folder: string): Promise<string | undefined> {
  try {
    const { version } = JSON.parse(await readFile(path.join(folder, "package.json"), "utf8"));
    return typeof version === "string" ? version : undefined;
  } catch {
    return undefined;
  }
}

/** Installed is not enough: scripts that npm skipped, another platform's binary, an old libc. */
async function programFinding(folder: string, program: "workerd" | "wrangler"): Promise<Finding> {
  // Not by Node: workerd's install script may have put the binary itself in the place of its launcher.
  const file = path.join(folder, "node_modules", ".bin", program);
  try {
    const options = { timeout: programTimeoutMs, shell: process.platform === "win32" };
    const { stdout } = await run(file, ["--version"], options);
    return ok(
      `${program} runs: ${stdout
        .trim()
        .split("\n")
        .at(-1)
        ?.replace(/^workerd /, "")}`,
    );
  } catch (error) {
    const lines = error instanceof Error ? error.message.split("\n") : [];
    const why = lines.find((line) => /error|ENOENT|EACCES/i.test(line))?.trim() ?? "it did not answer";
    return broken(`${program} does not run: ${why.slice(0, 200)}`, `rm -rf node_modules && ${reinstall}`);
  }
}

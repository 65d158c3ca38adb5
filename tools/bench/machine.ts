/** What a run was measured on. */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { projectFolder } from "../store/platform-config.ts";
import type { Machine } from "./results/results.ts";

const packages = [
  "workerd",
  "wrangler",
  "onnxruntime-web",
  "onnxruntime-node",
  "@tensorflow/tfjs-backend-wasm",
  "jpeg-js",
  "imagescript",
  "@jsquash/jpeg",
  "sharp",
] as const;

export async function describeMachine(): Promise<Machine> {
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

/** The committed kernels are what their source compiles to. */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { projectFolder } from "../../../cli/store/project.ts";

const committed = path.join(projectFolder, "src", "model", "simd", "kernels.wasm");

test("npm run build:engine gives the bytes of kernels.wasm, which are at most 40 KB", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "edge-resnet-kernels-"));
  try {
    const out = path.join(folder, "kernels.wasm");
    const { scripts } = JSON.parse(await readFile(path.join(projectFolder, "package.json"), "utf8"));
    const [, ...options] = scripts["build:engine"].split(" ");
    const compiler = path.join(projectFolder, "node_modules", "assemblyscript", "bin", "asc.js");
    const args = [compiler, ...options, "--outFile", out];
    await promisify(execFile)(process.execPath, args, { cwd: projectFolder });
    const built = await readFile(out);
    expect(built.equals(await readFile(committed))).toBe(true);
    expect(built.length).toBeLessThanOrEqual(40_000);
  } finally {
    await rm(folder, { recursive: true });
  }
});

/** Checks package.json and the lockfile: which packages are installed, and which may run scripts. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";

interface Locked {
  readonly version?: string;
  readonly integrity?: string;
  readonly link?: boolean;
  readonly dev?: boolean;
  readonly hasInstallScript?: boolean;
}

const project = path.join(import.meta.dirname, "..");
const read = <T>(file: string) => JSON.parse(readFileSync(path.join(project, file), "utf8")) as T;
const manifest = read<{
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
  allowScripts: Record<string, boolean>;
}>("package.json");
const { packages } = read<{ packages: Record<string, Locked> }>("package-lock.json");
const installed = Object.entries(packages).filter(([folder]) => folder !== "");
const nameOf = (folder: string) => folder.slice(folder.lastIndexOf("node_modules/") + "node_modules/".length);

describe("the lockfile", () => {
  test("has the SHA-512 of every package", () => {
    expect(installed.length).toBeGreaterThan(100);
    const unnamed = installed.filter(([, { integrity }]) => !integrity?.startsWith("sha512-"));
    expect(unnamed.map(([folder]) => folder)).toEqual([]);
  });

  test("has exactly the versions of package.json, which are exact", () => {
    const wanted = { ...manifest.dependencies, ...manifest.devDependencies };
    expect(Object.values(wanted).filter((version) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
    for (const [name, version] of Object.entries(wanted))
      expect([name, packages[`node_modules/${name}`]?.version]).toEqual([name, version]);
  });
});

test("onnxruntime-web is the version whose hook is tested", () => {
  // test/model/runtime.test.ts tests the hook. Run it before you change this version.
  expect(manifest.dependencies["onnxruntime-web"]).toBe("1.30.0");
  const copies = installed.filter(([folder]) => nameOf(folder) === "onnxruntime-web");
  expect(copies.map(([folder, { version }]) => [folder, version])).toEqual([
    ["node_modules/onnxruntime-web", "1.30.0"],
  ]);
});

test("allowScripts names exactly the packages with an install script", () => {
  const withScripts = installed.filter(([, { hasInstallScript }]) => hasInstallScript);
  const names = [...new Set(withScripts.map(([folder]) => nameOf(folder)))];
  expect(names.length).toBeGreaterThan(0);
  expect(Object.keys(manifest.allowScripts).sort()).toEqual(names.sort());
});

test("npm run and npm ci print no warning, also where a package asks for another Node", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "npm-"));
  try {
    for (const file of ["package.json", ".npmrc"])
      await copyFile(path.join(project, file), path.join(folder, file));
    const lock = read<{ packages: Record<string, Locked & { engines?: object }> }>("package-lock.json");
    lock.packages["node_modules/hono"]!.engines = { node: ">=999" };
    await writeFile(path.join(folder, "package-lock.json"), JSON.stringify(lock));
    // Settings that the npm of this test run passes on would replace those of .npmrc.
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)));
    for (const command of ["run", "ci --dry-run --ignore-scripts --offline"]) {
      const { stdout, stderr } = await promisify(execFile)("npm", command.split(" "), { cwd: folder, env });
      expect([command, stderr]).toEqual([command, ""]);
      expect(stdout).toMatch(command === "run" ? /classify/ : /added \d+ packages/);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});

/** What is installed, and what of it may run: read from package.json and the lockfile. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";

interface Locked {
  readonly version?: string;
  readonly integrity?: string;
  readonly link?: boolean;
  readonly dev?: boolean;
  readonly hasInstallScript?: boolean;
}

const read = <T>(file: string) =>
  JSON.parse(readFileSync(path.join(import.meta.dirname, "..", file), "utf8")) as T;
const manifest = read<{
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
  allowScripts: Record<string, boolean>;
}>("package.json");
const { packages } = read<{ packages: Record<string, Locked> }>("package-lock.json");
const installed = Object.entries(packages).filter(([folder]) => folder !== "");
const nameOf = (folder: string) => folder.slice(folder.lastIndexOf("node_modules/") + "node_modules/".length);

describe("the lockfile", () => {
  test("names the content of every package by its SHA-512", () => {
    expect(installed.length).toBeGreaterThan(100);
    const unnamed = installed.filter(([, { integrity }]) => !integrity?.startsWith("sha512-"));
    expect(unnamed.map(([folder]) => folder)).toEqual([]);
  });

  test("has just the versions that package.json asks for, each an exact one", () => {
    const wanted = { ...manifest.dependencies, ...manifest.devDependencies };
    expect(Object.values(wanted).filter((version) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
    for (const [name, version] of Object.entries(wanted))
      expect([name, packages[`node_modules/${name}`]?.version]).toEqual([name, version]);
  });
});

test("onnxruntime-web is the one version whose hook is known to hold", () => {
  // test/model/runtime.test.ts shows that it does: run that before changing this.
  expect(manifest.dependencies["onnxruntime-web"]).toBe("1.30.0");
  const copies = installed.filter(([folder]) => nameOf(folder) === "onnxruntime-web");
  expect(copies.map(([folder, { version }]) => [folder, version])).toEqual([
    ["node_modules/onnxruntime-web", "1.30.0"],
  ]);
});

test("every package with an install script is named in allowScripts, and no other", () => {
  const withScripts = installed.filter(([, { hasInstallScript }]) => hasInstallScript);
  const names = [...new Set(withScripts.map(([folder]) => nameOf(folder)))];
  expect(names.length).toBeGreaterThan(0);
  expect(Object.keys(manifest.allowScripts).sort()).toEqual(names.sort());
});

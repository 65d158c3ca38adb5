/** The folders of the code, and which may import which. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";

const root = path.join(import.meta.dirname, "..");
const files = ["src", "cli", "bench"].flatMap((folder) =>
  readdirSync(path.join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".d.ts"))
    .map((file) => path.posix.join(folder, file.split(path.sep).join("/"))),
);

/** Includes type imports, because a type-only cycle also means that neither file can be read alone. */
function importsOf(file: string): string[] {
  const text = readFileSync(path.join(root, file), "utf8");
  const specifiers = [...text.matchAll(/^\s*(?:import|export)\s[^;]*?from\s+"([^"]+)"/gm)].map(
    (match) => match[1]!,
  );
  return specifiers.map((specifier) =>
    specifier.startsWith(".") ? path.posix.join(path.posix.dirname(file), specifier) : specifier,
  );
}

const imports = new Map(files.map((file) => [file, importsOf(file)]));
const violations = (from: RegExp, to: RegExp) =>
  [...imports].flatMap(([file, targets]) =>
    from.test(file)
      ? targets.filter((target) => to.test(target)).map((target) => `${file} -> ${target}`)
      : [],
  );

describe("the structure", () => {
  test("this test finds the code: every relative import names an existing file", () => {
    expect(files.length).toBeGreaterThan(40);
    const relative = [...imports.values()].flat().filter((target) => /^(src|cli|bench)\//.test(target));
    expect(relative.length).toBeGreaterThan(100);
    expect(relative.filter((target) => !files.includes(target))).toEqual([]);
  });

  test.each([
    [
      "image/ and model/ know nothing of the server or commands",
      /^src\/(image|model)\//,
      /^(src\/(http|cache|rpc|middleware|classifier|remote|head)|cli|bench)\//,
    ],
    [
      "head/ knows the model, and nothing of the server, images or commands; of cache/ it uses the LRU map",
      /^src\/head\//,
      /^(src\/(http|cache\/(?!lru\.ts)|rpc|middleware|classifier|remote|image)|cli|bench)\//,
    ],
    [
      "cache/ stores results, and knows nothing of how they come about or are served",
      /^src\/cache\//,
      /^src\/(http|image|model|head|rpc|middleware|classifier|remote|storage)\//,
    ],
    [
      "bytes/ and concurrency/ import only each other, errors and limits",
      /^src\/(bytes|concurrency)\//,
      /^(?!src\/(bytes|concurrency)\/|src\/(errors|limits)\.ts$)/,
    ],
    [
      "storage/ reads packs for the model, and knows nothing of the server or images",
      /^src\/storage\//,
      /^src\/(http|cache|image|head|rpc|middleware|classifier|remote)\//,
    ],
    [
      "remote/ fetches, and knows nothing of what becomes of the image",
      /^src\/remote\//,
      /^src\/(http|cache|image|model|head|rpc|middleware|classifier|storage)\//,
    ],
    [
      "classifier/ scores the same way for every transport",
      /^src\/classifier\//,
      /^src\/(http|rpc|middleware|remote|index|config)/,
    ],
    [
      "only http/, rpc/ and what composes the Worker use classifier/",
      /^src\/(?!(http|rpc|classifier)\/|(index|config)\.ts$)/,
      /^src\/classifier\//,
    ],
    ["http/ knows nothing of rpc/ and middleware/", /^src\/http\//, /^src\/(rpc|middleware)\//],
    ["rpc/ knows nothing of middleware/", /^src\/rpc\//, /^src\/middleware\//],
    [
      "middleware/ runs in other Workers: of the server it imports the RPC contract alone",
      /^src\/middleware\//,
      /^src\/(http|rpc\/(?!contract\.ts)|cache|model|head|classifier|remote|storage|index|config)/,
    ],
    ["errors and limits import nothing", /^src\/(errors|limits)\.ts$/, /./],
    ["nothing imports the Worker's entry", /./, /^src\/index\.ts$/],
    ["src never imports commands, benchmarks, tests or Node", /^src\//, /^((cli|bench|test)\/|node:)/],
    ["commands import neither benchmarks nor tests", /^cli\//, /^(bench|test)\//],
    ["benchmarks import no tests", /^bench\//, /^test\//],
    [
      "only the runtime imports onnxruntime-web, and the entry its WebAssembly",
      /^src\/(?!model\/runtime\.ts|index\.ts)/,
      /^onnxruntime-web/,
    ],
    ["the Worker decodes with its own code alone", /^src\//, /^(jpeg-js|imagescript|@jsquash)/],
    [
      "commands and benchmarks use image/, model/, head/ and what those need, not the server",
      /^(cli|bench)\//,
      /^src\/(http|cache|rpc|middleware|index|classifier)/,
    ],
    [
      "of the commands only the doctor reads the Worker's settings",
      /^(cli|bench)\/(?!doctor\/)/,
      /^src\/config/,
    ],
  ])("%s", (_, from, to) => {
    expect(violations(from, to)).toEqual([]);
  });

  test("no cycles", () => {
    const state = new Map<string, "open" | "done">();
    const cycles: string[] = [];
    const visit = (file: string, trail: string[]) => {
      if (state.get(file) === "done") return;
      if (state.get(file) === "open") {
        cycles.push([...trail.slice(trail.indexOf(file)), file].join(" -> "));
        return;
      }
      state.set(file, "open");
      for (const target of imports.get(file) ?? []) if (imports.has(target)) visit(target, [...trail, file]);
      state.set(file, "done");
    };
    for (const file of files) visit(file, []);
    expect(cycles).toEqual([]);
  });

  test("no barrels: a file that only re-exports", () => {
    const barrels = files.filter((file) => {
      const lines = readFileSync(path.join(root, file), "utf8").split("\n");
      const code = lines.filter((line) => line.trim() && !/^\s*(\/\/|\/?\*)/.test(line));
      return code.length > 0 && code.every((line) => /^export .* from /.test(line));
    });
    expect(barrels).toEqual([]);
  });
});

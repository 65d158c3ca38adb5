/** Enforces the import rules of docs/architecture.md, and bounds the files that one request runs. */
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
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
    const relative = [...imports.values()]
      .flat()
      .filter((target) => /^(src|cli|bench)\/.*\.ts$/.test(target));
    expect(relative.length).toBeGreaterThan(100);
    expect(relative.filter((target) => !files.includes(target))).toEqual([]);
  });

  test.each([
    [
      "image/ and model/ import neither the server nor commands",
      /^src\/(image|model)\//,
      /^(src\/(http|cache|rpc|middleware|classifier|remote|head)|cli|bench)\//,
    ],
    [
      "head/ imports the model and the LRU map, but not the server, images or commands",
      /^src\/head\//,
      /^(src\/(http|cache\/(?!lru\.ts)|rpc|middleware|classifier|remote|image)|cli|bench)\//,
    ],
    [
      "cache/ imports neither what computes results nor what serves them",
      /^src\/cache\//,
      /^src\/(http|image|model|head|rpc|middleware|classifier|remote|storage)\//,
    ],
    [
      "bytes/ and concurrency/ import only each other, errors and limits",
      /^src\/(bytes|concurrency)\//,
      /^(?!src\/(bytes|concurrency)\/|src\/(errors|limits)\.ts$)/,
    ],
    [
      "storage/ imports neither the server nor images",
      /^src\/storage\//,
      /^src\/(http|cache|image|head|rpc|middleware|classifier|remote)\//,
    ],
    [
      "remote/ imports nothing that processes images",
      /^src\/remote\//,
      /^src\/(http|cache|image|model|head|rpc|middleware|classifier|storage)\//,
    ],
    [
      "classifier/ imports no transport",
      /^src\/classifier\//,
      /^src\/(http|rpc|middleware|remote|index|config)/,
    ],
    [
      "only http/, rpc/, pictures/ and the composition root import classifier/",
      /^src\/(?!(http|rpc|pictures|classifier)\/|(index|config)\.ts$)/,
      /^src\/classifier\//,
    ],
    [
      "pictures/ imports no transport",
      /^src\/pictures\//,
      /^src\/(http|cache|rpc|middleware|remote|storage|index|config)/,
    ],
    ["http/ imports neither rpc/ nor middleware/", /^src\/http\//, /^src\/(rpc|middleware)\//],
    ["rpc/ does not import middleware/", /^src\/rpc\//, /^src\/middleware\//],
    [
      "middleware/ imports only the RPC contract of the server, because it runs in other Workers",
      /^src\/middleware\//,
      /^src\/(http|rpc\/(?!contract\.ts)|cache|model|head|classifier|remote|storage|index|config)/,
    ],
    ["errors and limits import nothing", /^src\/(errors|limits)\.ts$/, /./],
    ["nothing imports the Worker's entry", /./, /^src\/index\.ts$/],
    ["src never imports commands, benchmarks, tests or Node", /^src\//, /^((cli|bench|test)\/|node:)/],
    ["commands import neither benchmarks nor tests", /^cli\//, /^(bench|test)\//],
    ["benchmarks import no tests", /^bench\//, /^test\//],
    [
      "only the runtime and the entry import onnxruntime-web",
      /^src\/(?!model\/runtime\.ts|index\.ts)/,
      /^onnxruntime-web/,
    ],
    ["the Worker imports no image decoder", /^src\//, /^(jpeg-js|imagescript|@jsquash)/],
    [
      "commands and benchmarks do not import the server",
      /^(cli|bench)\//,
      /^src\/(http|cache|rpc|middleware|index|classifier)/,
    ],
    [
      "only the doctor and the deployment import the Worker's settings",
      /^(cli|bench)\/(?!doctor\/|commands\/deploy-access\.ts$)/,
      /^src\/config/,
    ],
  ])("%s", (_, from, to) => {
    expect(violations(from, to)).toEqual([]);
  });

  test("a JPEG that is not in the cache runs code of at most 35 files", async () => {
    // The app runs in Node here. In the Worker, these run too.
    const worker = ["index.ts", "cache/byte-stores.ts"];
    const program = path.join(root, "test", "support", "executed-files.ts");
    const { stdout } = await promisify(execFile)(process.execPath, ["--no-warnings", program]);
    const executed = new Set([...stdout.trim().split("\n"), ...worker.map((file) => `src/${file}`)]);
    expect([...executed].filter((file) => !files.includes(file))).toEqual([]);
    expect(executed).toContain("src/image/jpeg/scan-reader.ts");
    expect(executed.size, [...executed].join("\n")).toBeLessThanOrEqual(35);
  });

  test("the package's ./image export needs nothing of the server, the model, heads and caches", () => {
    const reached = new Set<string>();
    const visit = (file: string) => {
      if (reached.has(file) || !imports.has(file)) return;
      reached.add(file);
      for (const target of imports.get(file)!) visit(target);
    };
    visit("src/image/scaled.ts");
    expect(reached).toContain("src/image/png/decode.ts");
    expect(
      [...reached].filter(
        (file) => !/^src\/(image\/|bytes\/|concurrency\/timeout\.ts|errors\.ts|limits\.ts)/.test(file),
      ),
    ).toEqual([]);
  });

  test("there are no import cycles", () => {
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

  test("no file only re-exports", () => {
    const barrels = files.filter((file) => {
      const lines = readFileSync(path.join(root, file), "utf8").split("\n");
      const code = lines.filter((line) => line.trim() && !/^\s*(\/\/|\/?\*)/.test(line));
      return code.length > 0 && code.every((line) => /^export .* from /.test(line));
    });
    expect(barrels).toEqual([]);
  });
});

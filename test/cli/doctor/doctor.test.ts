/** Provokes each finding of the doctor in a copy of the project. */
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { storedFindings } from "../../../cli/doctor/bucket.ts";
import { checkDependencies } from "../../../cli/doctor/dependencies.ts";
import { checkDeployment } from "../../../cli/doctor/deployment.ts";
import { examine, findingsOf } from "../../../cli/doctor/examine.ts";
import { type Finding, sectionText, summaryText, type Target } from "../../../cli/doctor/finding.ts";
import { checkLimits, heapFinding } from "../../../cli/doctor/limits.ts";
import { checkNode } from "../../../cli/doctor/node.ts";
import { checkPacks } from "../../../cli/doctor/packs.ts";
import { checkPorts } from "../../../cli/doctor/ports.ts";
import { checkSettings } from "../../../cli/doctor/settings.ts";
import type { StoreBucket } from "../../../cli/store/bucket.ts";
import { withLocalBucket } from "../../../cli/store/local-bucket.ts";
import { packsFolder, readLocalPack } from "../../../cli/store/local-pack.ts";
import { projectFolder } from "../../../cli/store/project.ts";
import { pushPack } from "../../../cli/store/push.ts";
import { silentProgress } from "../../../cli/terminal/progress.ts";
import { defaultModelName } from "../../../src/default-model.ts";

const name = defaultModelName;
let folder: string;
let target: Target;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "doctor-"));
  for (const file of ["package.json", "package-lock.json", "wrangler.toml"]) {
    await cp(path.join(projectFolder, file), path.join(folder, file));
  }
  target = { folder, port: 1, inspectorPort: 1, remote: false, env: {} };
});

afterEach(() => rm(folder, { recursive: true, force: true }));

const pack = path.join("model-shards", name);
const copyPack = () => cp(path.join(projectFolder, pack), path.join(folder, pack), { recursive: true });
const edit = async (file: string, from: string | RegExp, to: string) => {
  const text = await readFile(path.join(folder, file), "utf8");
  expect(text).toMatch(from);
  await writeFile(path.join(folder, file), text.replace(from, to));
};

/** The warnings and faults, one line each. */
const problems = (findings: readonly Finding[]) =>
  findings.flatMap((finding) =>
    finding.level === "ok" ? [] : [`${finding.level}: ${finding.what} | ${finding.fix}`],
  );

async function listen(): Promise<{ server: Server; port: number }> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, port: (server.address() as { port: number }).port };
}

describe("Node", () => {
  test("names an old Node of npm and an untested Node of scripts, and how to get the right ones", async () => {
    const env = { npm_config_user_agent: "npm/10.2.0 node/v18.19.0 linux x64" };
    expect(problems(await checkNode({ ...target, env }, "24.1.0"))).toEqual([
      expect.stringMatching(
        /^broken: npm runs with Node 18\.19\.0; expected at least 20\.19 \| install Node 20\.19/,
      ),
      expect.stringMatching(/^warning: scripts run with Node 24\.1\.0; .*\| npm ci installs it/),
    ]);
  });

  test("accepts the right versions, even if npm did not start it", async () => {
    const { devDependencies } = JSON.parse(await readFile(path.join(folder, "package.json"), "utf8"));
    for (const env of [{ npm_config_user_agent: "npm/11.0.0 node/v20.19.0 linux x64" }, {}]) {
      expect(problems(await checkNode({ ...target, env }, devDependencies.node))).toEqual([]);
    }
  });
});

describe("dependencies", () => {
  test("this clone has all packages, and both programs run", async () => {
    await symlink(path.join(projectFolder, "node_modules"), path.join(folder, "node_modules"));
    const findings = await checkDependencies(target);
    expect(problems(findings)).toEqual([]);
    expect(findings.map(({ what }) => what)).toEqual([
      expect.stringMatching(/^\d{3} packages/),
      expect.stringMatching(/^workerd runs: .*20\d\d/),
      expect.stringMatching(/^wrangler runs: \d/),
    ]);
  });

  test("names another version, missing packages, and programs that do not run", async () => {
    await mkdir(path.join(folder, "node_modules", "zod"), { recursive: true });
    await writeFile(path.join(folder, "node_modules", "zod", "package.json"), '{"version": "1.0.0"}');
    const text = problems(await checkDependencies(target));
    expect(text[0]).toMatch(
      /^broken: node_modules differs from package-lock\.json: .* and \d+ more \| npm ci$/,
    );
    expect(text[1]).toMatch(/^broken: workerd does not run.* \| rm -rf node_modules && npm ci$/);
    expect(text[2]).toMatch(/^broken: wrangler does not run/);
  });
});

test("names who holds a port and suggests another one; accepts free ports", async () => {
  const [one, two] = [await listen(), await listen()];
  const ports = { ...target, port: one.port, inspectorPort: two.port };
  expect(problems(await checkPorts(ports))).toEqual([
    expect.stringMatching(
      new RegExp(`^broken: port ${one.port} is held by .*: npm start cannot .*--port ${one.port + 1}$`),
    ),
    expect.stringMatching(
      new RegExp(`^warning: port ${two.port} \\(inspector\\) is held by .* \\| nothing, unless`),
    ),
  ]);
  for (const { server } of [one, two]) await new Promise((resolve) => server.close(resolve));
  expect(problems(await checkPorts(ports))).toEqual([]);
});

describe("settings", () => {
  test("the project's own settings are valid", async () => {
    await copyPack();
    expect(problems(await checkSettings(target))).toEqual([]);
  });

  test("names the file when it is not TOML, or binds no bucket", async () => {
    await edit("wrangler.toml", 'binding = "MODELS"', 'binding = "MODEL"');
    expect(problems(await findingsOf(target, async () => checkSettings))).toEqual([
      expect.stringMatching(/^broken: wrangler\.toml binds no bucket as MODELS \| add .* or git checkout/),
    ]);
    await writeFile(path.join(folder, "wrangler.toml"), "name = [");
    expect(problems(await findingsOf(target, async () => checkSettings))).toEqual([
      expect.stringMatching(/^broken: .*wrangler\.toml is not valid/),
    ]);
  });

  test("names invalid values, an unknown name and a short secret, without repeating the secret", async () => {
    await copyPack();
    await edit("wrangler.toml", /MAX_IMAGE_BYTES = \d+/, "MAX_IMAGE_BYTES = 99999999\nMAX_IMAGE_BYTE = 1");
    await writeFile(path.join(folder, ".dev.vars"), 'API_KEYS="hunter2"\n');
    const text = problems(await checkSettings(target));
    expect(text).toEqual([
      expect.stringMatching(
        /^broken: MAX_IMAGE_BYTES in wrangler\.toml is not valid.* \| set it to an integer from 1 to \d+$/,
      ),
      expect.stringMatching(
        /^warning: MAX_IMAGE_BYTE in wrangler\.toml is not a variable.* \| remove it, or use one of .*MAX_IMAGE_BYTES/,
      ),
      expect.stringMatching(/^broken: API_KEYS in \.dev\.vars is not valid.* \| set it to API keys/),
    ]);
    expect(text.join()).not.toContain("hunter2");
  });

  test("names the commands that make a missing model", async () => {
    await edit("wrangler.toml", `MODEL_NAME = "${name}"`, 'MODEL_NAME = "resnet34-v1-7"');
    expect(problems(await checkSettings(target))).toEqual([
      expect.stringMatching(
        /^warning: MODEL_NAME is resnet34-v1-7.* \| make it \(npm run model -- fetch resnet34-v1-7/,
      ),
    ]);
  });
});

describe("deployment", () => {
  const routes = 'routes = [{ pattern = "classify.example.com", custom_domain = true }]';
  const whats = (findings: readonly Finding[]) => findings.map(({ what }) => what);

  test("without routes: workers.dev, where there is no cache", async () => {
    const findings = await checkDeployment(target);
    expect(problems(findings)).toEqual([]);
    expect(whats(findings)).toEqual([
      expect.stringMatching(/^serves edge-resnet\.<.*>\.workers\.dev, where the Cache API has no effect/),
      expect.stringMatching(/--remote shows whether/),
    ]);
  });

  test("with the commented routes: the domain, where the cache works", async () => {
    await edit("wrangler.toml", `# ${routes}`, routes);
    const findings = await checkDeployment(target);
    expect(problems(findings)).toEqual([]);
    expect(whats(findings)[0]).toMatch(/^serves classify\.example\.com; the Cache API works there/);
  });

  test("with routes and workers_dev = true: public twice", async () => {
    await edit("wrangler.toml", `# ${routes}`, `workers_dev = true\n${routes}`);
    expect(problems(await checkDeployment(target))).toEqual([
      expect.stringMatching(/^warning: the Worker is public on workers\.dev too.* \| remove workers_dev/),
    ]);
  });

  test("names every setting that wrangler would ignore, and where it belongs", async () => {
    await edit("wrangler.toml", "[observability]", `${routes}\n[observability]`);
    await edit("wrangler.toml", "[vars]", "[vars]\nworkers_dev = true");
    await edit("wrangler.toml", "minify", "minifi = true\nminify");
    expect(problems(await checkDeployment(target))).toEqual([
      expect.stringMatching(/^broken: minifi in wrangler\.toml is not a setting.* \| correct its name/),
      expect.stringMatching(
        /^broken: assets\.routes in wrangler\.toml is not.* \| move the line above the first/,
      ),
      expect.stringMatching(/^broken: vars\.workers_dev in .* \| move the line above the first/),
    ]);
  });

  test.each([
    [0, '[{ "name": "API_KEYS", "type": "secret_text" }]', "ok"],
    [0, "[]", "warning"],
    [1, 'Worker "edge-resnet" not found.', "ok"],
    [1, "fetch failed", "broken"],
  ])("with --remote, when wrangler secret list exits with %i and %j: %s", async (code, stdout, level) => {
    const findings = await checkDeployment({ ...target, remote: true }, async () => ({
      ...{ code, stdout, stderr: "" },
    }));
    expect(findings.at(-1)).toMatchObject({ level });
  });
});

describe("packs", () => {
  test("accepts the embedded pack; reports a missing one", async () => {
    expect(problems(await checkPacks(target))).toEqual([
      "broken: model-shards has no pack | git checkout model-shards",
    ]);
    await copyPack();
    const findings = await checkPacks(target);
    expect(problems(findings)).toEqual([]);
    expect(findings.map(({ what }) => what)).toEqual([
      expect.stringMatching(/all hashes match$/),
      expect.stringMatching(/ fits the Worker with simd \(WASM memory: simd: \d+\.\d MiB/),
    ]);
  });

  test("says how to restore a changed pack: make it again, or check it out from git", async () => {
    await copyPack();
    await edit(`${pack}/labels.json`, "goldfish", "aeroplane");
    expect(problems(await checkPacks(target))).toEqual([
      expect.stringMatching(
        /^broken: model-shards\/.*labels\.json has 13859 bytes; its manifest says 13858 \| make it again: npm run model -- pack/,
      ),
    ]);
    const git = promisify(execFile);
    await git("git", ["init", "-q"], { cwd: folder });
    await git("git", ["add", `${pack}/manifest.json`], { cwd: folder });
    expect(problems(await checkPacks(target))).toEqual([
      expect.stringMatching(new RegExp(` \\| git checkout -- ${pack}$`)),
    ]);
  });

  test("names a pack that is in a folder of another name, in models/ too", async () => {
    await cp(path.join(projectFolder, pack), path.join(folder, "models", "mine"), { recursive: true });
    expect(problems(await checkPacks(target))).toEqual([
      `warning: models/mine holds a pack named ${name}, which cannot be found by that name | mv models/mine models/${name}`,
    ]);
  });
});

test("a local bucket: nothing live, then complete, then with a missing and a truncated shard", async () => {
  const local = await readLocalPack(path.join(packsFolder, name));
  await copyPack();
  const { version } = local.manifest;
  const check = () =>
    withLocalBucket((bucket) => storedFindings(bucket, folder, name, "local"), { persistTo: folder }).then(
      problems,
    );
  // Results of the bucket cannot be used after it is closed.
  const alter = (work: (bucket: StoreBucket) => Promise<unknown>) =>
    withLocalBucket(async (bucket) => void (await work(bucket)), { persistTo: folder });
  const push = `npm run model -- push ${name}`;

  expect(await check()).toEqual([
    expect.stringMatching(
      new RegExp(`^broken: local bucket: .*no object ${name}/current\\.json \\| ${push}$`),
    ),
  ]);
  await alter((bucket) => pushPack(bucket, local, silentProgress));
  expect(await check()).toEqual([]);

  await alter((bucket) => bucket.delete(`${name}/${version}/shard-01.onnx`));
  await alter((bucket) => bucket.put(`${name}/${version}/shard-03.onnx`, "short"));
  expect(await check()).toEqual([
    expect.stringMatching(new RegExp(`^broken: .*no object .*shard-01\\.onnx \\| ${push}$`)),
    expect.stringMatching(new RegExp(`^broken: .*shard-03\\.onnx has 5 bytes; expected \\d+ \\| ${push}$`)),
  ]);
});

describe("limits", () => {
  test("the bundle and the settings are within the limits", async () => {
    await mkdir(path.join(folder, "dist"));
    await writeFile(path.join(folder, "dist", "index.js"), new Uint8Array(1000));
    const findings = await checkLimits(target);
    expect(problems(findings)).toEqual([]);
    expect(findings).toHaveLength(2);
  });

  test("a bundle over Cloudflare's limit is broken", async () => {
    await mkdir(path.join(folder, "dist"));
    await writeFile(path.join(folder, "dist", "index.js"), new Uint8Array(65 * 2 ** 20));
    expect(problems(await checkLimits(target))).toEqual([
      expect.stringMatching(
        /^broken: the bundle in dist has 65\.0 MiB, of 64\.0 MiB.* \| rm -r dist && npm run build/,
      ),
    ]);
  });

  test("a pack that takes more heap than the Worker has for a model is broken", () => {
    const heap = { simd: 41 * 2 ** 20, onnxruntime: 57 * 2 ** 20 };
    expect(problems([heapFinding({ name: "large", precision: "int8" }, heap, "simd")])[0]).toMatch(
      /^broken: large does not fit the Worker \(WASM memory: simd: 41\.0 MiB of 40\.0 MiB; onnxruntime: 57\.0 MiB of 56\.0 MiB\) \| pack a smaller network/,
    );
    const fp32 = { ...heap, simd: null };
    expect(problems([heapFinding({ name: "large", precision: "fp32" }, fp32, "simd")])[0]).toMatch(
      /simd: does not run it.*\| pack it with --precision int8/,
    );
  });

  test("a pack that fits with one engine needs that engine, and one that simd does not run uses ONNX Runtime", () => {
    const resnet50 = { simd: 36 * 2 ** 20, onnxruntime: 60 * 2 ** 20 };
    const manifest = { name: "large", precision: "int8" } as const;
    expect(problems([heapFinding(manifest, resnet50, "simd")])).toEqual([]);
    expect(problems([heapFinding(manifest, resnet50, "onnxruntime")])[0]).toMatch(/\| set ENGINE = "simd"/);
    const foreign = { simd: null, onnxruntime: 50 * 2 ** 20 };
    expect(heapFinding(manifest, foreign, "simd").what).toMatch(/fits the Worker with onnxruntime/);
  });
});

test("reports a check that cannot run, and runs the others", async () => {
  const sections = [];
  const failing = async () => {
    throw new Error("Cannot find package 'zod'");
  };
  for await (const section of examine(target, [
    ["first", failing],
    ["second", async () => async () => [{ level: "ok", what: "fine" }]],
  ])) {
    sections.push(section);
  }
  expect(problems(sections[0]!.findings)[0]).toMatch(
    /^broken: this check could not run: Cannot find package 'zod' \| fix/,
  );
  expect(sectionText(sections[0]!, false)).toMatch(
    /^first\n {2}broken {2}this check .*\n {10}fix: fix what is broken/,
  );
  expect(sectionText(sections[1]!, true)).toContain("✔");
  expect(summaryText(sections)).toBe("1 broken, 0 warnings");
});

test("without node_modules, the command names what is missing, in any Node", async () => {
  await mkdir(path.join(folder, "cli"));
  await cp(path.join(projectFolder, "cli", "doctor.mjs"), path.join(folder, "cli", "doctor.mjs"));
  const run = promisify(execFile)(process.execPath, [path.join(folder, "cli", "doctor.mjs")]);
  await expect(run).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringMatching(
      /broken {2}node_modules lacks commander, zod, wrangler, node\n +fix: npm ci/,
    ),
  });
});

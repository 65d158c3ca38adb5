/** `npm run model --` as a user runs it, where no bucket is needed. */
import { spawn } from "node:child_process";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { stripVTControlCharacters } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { packsFolder } from "../../cli/store/local-pack.ts";
import { projectFolder } from "../../cli/store/project.ts";
import { defaultModelName } from "../../src/default-model.ts";
import { runProgram } from "../support/run-program.ts";

const pack = defaultModelName;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "model-cli-"));
});
afterEach(() => rm(folder, { recursive: true }));

/** The variables of a user in `folder` who is not logged in. */
const user = () => ({
  ...{ INIT_CWD: folder, XDG_CONFIG_HOME: folder, HOME: folder, NO_COLOR: "1" },
  CLOUDFLARE_API_TOKEN: undefined,
});
const model = (...args: string[]) => runProgram("model", args, user());

/** Runs a program of cli/ as a process. */
function program(file: string, ...args: string[]) {
  const child = spawn(process.execPath, [path.join("cli", file), ...args], {
    cwd: projectFolder,
    env: { ...process.env, ...user() },
  });
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].on("data", (data: Buffer) => {
      output[name] += stripVTControlCharacters(String(data));
    });
  }
  return new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) =>
    child.once("close", (code) => resolve({ code, ...output })),
  );
}

describe("a command that cannot run says why in one line, with exit code 1", () => {
  test.each([
    [["nix"], /^error: unknown command 'nix'/],
    [["push"], /^error: missing required argument 'pack'/],
    [["prune", pack, "--keep", "0"], /'0' is invalid. expected an integer from 1 to/],
    [["push", pack, "--local", "--remote"], /^error: option '--local' cannot be used with option '--remote'/],
    [["push", pack, "--remote", "--persist-to", "x"], /cannot be used with option/],
    [["list", "--bucket", "My_Bucket"], /'My_Bucket' is invalid. expected 3 to 63 of a-z/],
    [["fetch", "nix"], /^error: fetch knows no model nix; expected one of: resnet34-v1-7; /],
    [["fetch", "resnet34-v1-7", "--url", "ftp://x/y"], /expected an http or https URL/],
    [
      ["info", "nix"],
      /^error: there is no pack nix: expected .*available: .*resnet34-tiny-imagenet.*; make one: /,
    ],
    [["push", "nix"], /^error: there is no pack nix: /],
    [["list", "--remote"], /error: not logged in to Cloudflare; run npx wrangler login/],
    [["push", pack, "--remote"], /error: not logged in to Cloudflare; run npx wrangler login/],
  ])("%j", async (args, expected) => {
    const { code, stdout, stderr } = await model(...args);
    expect(stderr).toMatch(expected);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(stdout).toBe("");
    expect(code).toBe(1);
  });

  test.each([
    ["push", "nix"],
    ["list", "--bucket", "My_Bucket"],
  ])("as a process: model %s %s", async (...args) => {
    const { code, stdout, stderr } = await program("model.ts", ...args);
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(/^error: [^\n]+\n$/);
  });

  test("npm run deploy without a login", async () => {
    const { code, stderr } = await program("deploy.ts");
    expect(stderr).toMatch(/^error: not logged in to Cloudflare; run npx wrangler login[^\n]*\n$/);
    expect(code).toBe(1);
  });
});

describe("info", () => {
  test("shows layers, sizes, precision and the origin of the weights", async () => {
    const { code, stdout } = await model("info", pack);
    expect(code).toBe(0);
    for (const line of [
      /^name +resnet34-tiny-imagenet$/m,
      /^source +resnet34-tiny-imagenet\.onnx, 85\.7 MB$/m,
      /^licence +Apache-2\.0$/m,
      /^layers +36 convolutions, 1 dense$/m,
      /^precision +int8$/m,
      /^classes +200, from 512 features$/m,
      /^quantisation +method: /m,
      /^shard-00\.onnx +\d\.\d MB +\d+ +\d+$/m,
    ]) {
      expect(stdout).toMatch(line);
    }
  });

  test("prints one consistent document with --json", async () => {
    const { stdout } = await model("info", pack, "--json");
    const info = JSON.parse(stdout) as {
      bytes: number;
      conv_layers: number;
      shards: { bytes: number; conv_layers: number }[];
    };
    expect(info).toMatchObject({
      name: pack,
      precision: "int8",
      classes: 200,
      conv_layers: 36,
      dense_layers: 1,
    });
    expect(info.shards.reduce((sum, shard) => sum + shard.conv_layers, 0)).toBe(info.conv_layers);
    expect(info.bytes).toBeGreaterThan(info.shards.reduce((sum, shard) => sum + shard.bytes, 0));
  });

  test("accepts a folder, relative to the current one", async () => {
    await cp(path.join(packsFolder, pack), path.join(folder, "my-pack"), { recursive: true });
    expect((await model("info", "my-pack")).stdout).toMatch(/^name +resnet34-tiny-imagenet$/m);
  });

  test("names the damaged file of a pack", async () => {
    await cp(path.join(packsFolder, pack), path.join(folder, "my-pack"), { recursive: true });
    const shard = path.join(folder, "my-pack", "shard-02.onnx");
    const bytes = await readFile(shard);
    bytes[1000]! ^= 1;
    await writeFile(shard, bytes);
    const { code, stderr } = await model("info", "my-pack");
    expect(stderr).toMatch(/^error: .*shard-02\.onnx has SHA-256 .*; its manifest says/);
    expect(code).toBe(1);
  });
});

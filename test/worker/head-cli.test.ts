/** head push, list, rollback and info, on a local R2 bucket. */
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { randomHead } from "../../cli/head/random-head.ts";
import { withLocalBucket } from "../../cli/store/local-bucket.ts";
import { projectFolder } from "../../cli/store/project.ts";
import { HeadStore } from "../../src/head/head-store.ts";
import type { Manifest } from "../../src/model/manifest.ts";
import { BucketSource } from "../../src/storage/bucket-source.ts";
import { runProgram } from "../support/run-program.ts";
import { tinyManifest, tinyName } from "../support/tiny-pack.ts";

let folder: string;
let persistTo: string;
let manifest: Manifest;
const files: string[] = [];
const versions: string[] = [];
const v = (i: number) => versions[i] as string;

const run = (...args: string[]) => runProgram("head", args);
const head = (...args: string[]) => run(...args, "--persist-to", persistTo);

/** Returns the version that the Worker would use. */
const serve = () =>
  withLocalBucket(
    async (bucket) => {
      const source = new BucketSource(bucket);
      const options = { source, bucket, refreshMs: 1000, log: () => {}, waitUntil: () => {} };
      const found = await new HeadStore(options).head("pets", { manifest, labels: [] });
      return found.file.version;
    },
    { persistTo },
  );

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "head-cli-"));
  persistTo = path.join(folder, "state");
  manifest = await tinyManifest();
  for (const [i, backbone] of [manifest, manifest, { name: tinyName, version: "0".repeat(16) }].entries()) {
    const made = await randomHead({ name: "pets", seed: i, backbone, featureSize: 3 });
    files.push(path.join(folder, `head-${i}.json`));
    versions.push(made.file.version);
    await writeFile(files[i]!, made.bytes);
  }
  const current = { format: 1, name: tinyName, version: manifest.version, history: [] };
  await withLocalBucket(
    async (bucket) => {
      await bucket.put(`${tinyName}/${manifest.version}/manifest.json`, JSON.stringify(manifest));
      await bucket.put(`${tinyName}/current.json`, JSON.stringify(current));
    },
    { persistTo },
  );
});
afterAll(() => rm(folder, { recursive: true }));

test("push, list, rollback and info work one after the other", async () => {
  expect((await head("list")).stdout).toMatch(/has no heads; push one to it: npm run head -- push FILE/);
  expect(await head("push", files[0]!)).toMatchObject({ code: 0 });
  const pushed = await head("push", files[1]!);
  expect(pushed.stdout).toContain(`pets ${v(1)} is live on tiny/${manifest.version} in the local bucket `);
  expect(pushed.stdout).toContain(`npm run head -- rollback pets ${v(0)}`);
  expect(pushed.stderr).toMatch(/push pets: 100% \(1\/1\)/);
  expect(await serve()).toBe(v(1));

  const rows = (await head("list", "pets")).stdout.trim().split("\n");
  expect(rows[0]).toMatch(/head +version +model +pushed +size/);
  expect(rows.slice(1).map((row) => [row.startsWith("*"), /[0-9a-f]{16}/.exec(row)?.[0]])).toEqual([
    [true, v(1)],
    [false, v(0)],
  ]);

  const back = await head("rollback", "pets", "--json");
  expect(JSON.parse(back.stdout)).toEqual({
    ...{ name: "pets", version: v(0), backbone: `tiny/${manifest.version}`, replaced: v(1), changed: true },
  });
  expect(await serve()).toBe(v(0));
});

test("a refused command prints one line, exits with 1 and changes nothing", async () => {
  const before = await serve();
  const other = await head("push", files[2]!);
  expect(other).toMatchObject({ code: 1, stdout: "" });
  expect(other.stderr).toMatch(
    new RegExp(`^error: .*tiny/0{16}, which the bucket does not have \\(live: tiny/${manifest.version}\\)`),
  );
  expect(other.stderr).toContain(`npm run model -- push tiny --stage --persist-to ${persistTo}\n`);
  const none = await head("push", path.join(folder, "nix.json"));
  expect([none.code, none.stderr]).toEqual([
    1,
    expect.stringMatching(/^error: .*nix\.json is missing; .*\n$/),
  ]);
  expect(await serve()).toBe(before);
});

test("info describes a file without a bucket", async () => {
  const { stdout } = await run("info", files[0]!);
  expect(stdout).toMatch(/classes +3: pets 0 0, pets 0 1, pets 0 2\n/);
  expect(stdout).toMatch(/unknown images +not detected/);
  const command = ["cli/head.ts", "info", files[0]!, "--json"];
  const asProcess = await promisify(execFile)(process.execPath, command, { cwd: projectFolder });
  const json = JSON.parse(asProcess.stdout) as Record<string, unknown>;
  expect(json).toMatchObject({ name: "pets", version: v(0), unknown: null });
  expect(json).not.toHaveProperty("weights");
});

/** push, list, rollback and prune on a local R2 bucket, each in its own process, which some tests kill. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { projectFolder, withLocalBucket } from "../../cli/store/local-bucket.ts";
import { readLocalPack } from "../../cli/store/local-pack.ts";
import { pushPack } from "../../cli/store/push.ts";
import { silentProgress } from "../../cli/terminal/progress.ts";
import { defaultModelName } from "../../src/default-model.ts";
import { readLiveVersion, readPack, readShard } from "../../src/model/pack.ts";
import { BucketSource } from "../../src/storage/bucket-source.ts";
import { tinyManifest, tinyName } from "../support/tiny-pack.ts";

let folder: string;
/** Folders of three versions of one pack, and their version names. */
const packs: { folder: string; version: string }[] = [];
/** A bucket with the first two versions pushed and the second one live. Each test copies it. */
let seeded: string;
let persistTo: string;

async function makePack(run: number): Promise<{ folder: string; version: string }> {
  const shards = [0, 1, 2].map((i) => Buffer.alloc(200_000 + i, run * 8 + i));
  const template = await tinyManifest();
  const manifest = await tinyManifest({
    shards: template.shards.map((shard, i) => {
      const bytes = shards[i] as Buffer;
      return { ...shard, bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
    }),
  });
  const at = path.join(folder, `pack-${run}`);
  await mkdir(at);
  for (const [i, { file }] of manifest.shards.entries())
    await writeFile(path.join(at, file), shards[i] as Buffer);
  const labels = ["no", "yes"].map((id) => ({ id, label: id }));
  await writeFile(path.join(at, "labels.json"), JSON.stringify(labels));
  await writeFile(path.join(at, "manifest.json"), JSON.stringify(manifest));
  return { folder: at, version: manifest.version };
}

interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

function node(args: readonly string[], onStderr: (text: string, kill: () => void) => void = () => {}) {
  // A process group, so that killing it also kills workerd, as closing a terminal does.
  // Temporary files of a killed process are deleted with the test's own.
  const env = { ...process.env, TMPDIR: folder };
  const child = spawn(process.execPath, args, { cwd: projectFolder, env, detached: true });
  const kill = () => {
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  };
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].on("data", (data: Buffer) => {
      output[name] += data;
      if (name === "stderr") onStderr(output.stderr, kill);
    });
  }
  return new Promise<Finished>((resolve) =>
    child.once("close", (code, signal) => resolve({ code, signal, ...output })),
  );
}

const model = (...args: string[]) => node(["cli/model.ts", ...args, "--persist-to", persistTo]);
const v = (i: number) => packs[i]?.version as string;
const packFolder = (i: number) => packs[i]?.folder as string;

/** Reads the live version like the Worker does, and checks each file's hash. */
async function serve(): Promise<string> {
  return withLocalBucket(
    async (bucket) => {
      const source = new BucketSource(bucket);
      const version = await readLiveVersion(source, tinyName);
      const { manifest } = await readPack(source, tinyName, version);
      for (const shard of manifest.shards) await readShard(source, manifest, shard);
      return version;
    },
    { persistTo },
  );
}

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "model-cli-"));
  for (let i = 0; i < 3; i++) packs.push(await makePack(i));
  seeded = path.join(folder, "seeded");
  persistTo = seeded;
  await withLocalBucket(
    async (bucket) => {
      for (const i of [0, 1]) await pushPack(bucket, await readLocalPack(packFolder(i)), silentProgress);
    },
    { persistTo },
  );
});
afterAll(() => rm(folder, { recursive: true }));

let tests = 0;
beforeEach(async () => {
  persistTo = path.join(folder, `state-${tests++}`);
  await cp(seeded, persistTo, { recursive: true });
});

describe("push, list, rollback, prune", () => {
  test("work one after the other", async () => {
    const pushed = await model("push", packFolder(2));
    expect(pushed.stdout).toContain(`${tinyName} ${v(2)} is live in the local bucket `);
    expect(pushed.stdout).toContain(`npm run model -- rollback ${tinyName} ${v(1)}`);
    expect(pushed.stderr).toMatch(/push tiny: 100% \(5\/5\)/);
    expect(await serve()).toBe(v(2));

    const again = await model("push", packFolder(2), "--json");
    expect(JSON.parse(again.stdout)).toEqual({
      ...{
        name: tinyName,
        version: v(2),
        uploaded: 0,
        uploaded_bytes: 0,
        skipped: 5,
        replaced: null,
        live: true,
      },
    });

    const listed = await model("list");
    const rows = listed.stdout.trim().split("\n");
    expect(rows[0]).toMatch(/model +version +pushed +objects +size/);
    expect(rows.slice(1).map((row) => [row.startsWith("*"), /[0-9a-f]{16}/.exec(row)?.[0]])).toEqual([
      [true, v(2)],
      [false, v(1)],
      [false, v(0)],
    ]);
    expect(rows[1]).toMatch(/ {2}20\d\d-\S+Z +5 +0\.6 MB$/);

    const back = await model("rollback", tinyName, v(0));
    expect(back).toMatchObject({ code: 0, stdout: expect.stringContaining(`${v(0)} is live again in`) });
    expect(await serve()).toBe(v(0));
    const same = await model("rollback", tinyName, v(0));
    expect(same).toMatchObject({ code: 0, stdout: expect.stringContaining("nothing was changed") });

    const pruned = await model("prune", tinyName, "--keep", "2", "--json");
    expect(JSON.parse(pruned.stdout)).toMatchObject({ live: v(0), kept: [v(0), v(2)], deleted: [v(1)] });
    expect(await serve()).toBe(v(0));
    const { models } = JSON.parse((await model("list", tinyName, "--json")).stdout) as {
      models: { live: string; versions: { version: string; objects: number }[] }[];
    };
    expect(models).toMatchObject([
      {
        name: tinyName,
        live: v(0),
        versions: [
          { version: v(2), objects: 5 },
          { version: v(0), objects: 5 },
        ],
      },
    ]);
  });

  test("buckets do not affect each other", async () => {
    const empty = await model("list", "--bucket", "another-bucket");
    expect(empty.stdout).toMatch(/^the local bucket another-bucket is empty; push a pack to it: /);
    expect((await model("push", packFolder(2), "--bucket", "another-bucket")).code).toBe(0);
    expect(await serve()).toBe(v(1));
  });

  test("a missing pack, version or file: one line, exit code 1", async () => {
    const nix = await model("list", "nix");
    expect(nix).toMatchObject({ code: 1, stdout: "" });
    expect(nix.stderr).toBe(
      `error: the bucket has no model nix; available: ${tinyName}; push it first: npm run model -- push nix --persist-to ${persistTo}\n`,
    );
    const version = await model("rollback", tinyName, "0".repeat(16));
    expect(version.stderr).toBe(
      `error: the model ${tinyName} has no version ${"0".repeat(16)} in the bucket; available: ${v(0)}; nothing was changed\n`,
    );
    expect(version.code).toBe(1);
  });
});

describe("a push that is killed", () => {
  /** Pushes, and hangs before write number `cut` after it has printed that. */
  const pushUntil = async (cut: number) => {
    const tools = (file: string) => JSON.stringify(pathToFileURL(path.join(projectFolder, "cli", file)).href);
    const script = `
      import { withLocalBucket } from ${tools("store/local-bucket.ts")};
      import { readLocalPack } from ${tools("store/local-pack.ts")};
      import { pushPack } from ${tools("store/push.ts")};
      const pack = await readLocalPack(${JSON.stringify(packFolder(2))});
      await withLocalBucket(async (bucket) => {
        let puts = 0;
        const put = async (...args) => {
          if (puts++ !== ${cut}) return bucket.put(...args);
          process.stderr.write("waiting\\n");
          await new Promise((resolve) => setTimeout(resolve, 60_000));
        };
        const slow = { head: (key) => bucket.head(key), get: (key) => bucket.get(key), put };
        await pushPack(slow, pack, { update() {}, stop() {} });
      }, { persistTo: ${JSON.stringify(persistTo)} });`;
    const file = path.join(folder, "push-until.mjs");
    await writeFile(file, script);
    return node([file], (stderr, kill) => {
      if (stderr.includes("waiting\n")) kill();
    });
  };
  const puts = 6;

  // After the first write, and before the last one, which makes the push live. Each case is slow.
  test.each([1, puts - 1])(
    "after %i uploads: the live version still serves, and the next push uploads only the rest",
    async (cut) => {
      expect(await pushUntil(cut)).toMatchObject({ signal: "SIGKILL" });
      expect(await serve()).toBe(v(1));
      const next = await model("push", packFolder(2), "--json");
      expect(JSON.parse(next.stdout)).toMatchObject({ uploaded: 5 - cut, skipped: cut, replaced: v(1) });
      expect(await serve()).toBe(v(2));
    },
  );

  test("consists of six writes", async () => {
    expect(await pushUntil(puts)).toMatchObject({ code: 0, stderr: "" });
    expect(await serve()).toBe(v(2));
  });

  test("at any moment of an upload: the live version is complete", async () => {
    for (const delayMs of [0, 20]) {
      const killed = await node(
        ["cli/model.ts", "push", packFolder(2), "--persist-to", persistTo],
        (stderr, kill) => {
          if (/push tiny: 0%/.test(stderr)) setTimeout(kill, delayMs);
        },
      );
      expect([v(1), v(2)], `killed after ${delayMs} ms (${killed.signal})`).toContain(await serve());
    }
    expect((await model("push", packFolder(2))).code).toBe(0);
    expect(await serve()).toBe(v(2));
  });

  test("leaves orphans that list shows and prune --orphans removes", async () => {
    await pushUntil(3);
    expect((await model("list")).stdout).toMatch(new RegExp(`${v(2)} +not finished.* 3 `));
    const pruned = await model("prune", tinyName, "--orphans", "--json");
    expect(JSON.parse(pruned.stdout)).toMatchObject({ live: v(1), deleted: [v(2)], deleted_objects: 3 });
    expect(await serve()).toBe(v(1));
  });
});

test("the embedded pack can be pushed with the same command", async () => {
  const manifest = path.join(projectFolder, "model-shards", defaultModelName, "manifest.json");
  const { version } = JSON.parse(await readFile(manifest, "utf8")) as { version: string };
  const pushed = JSON.parse((await model("push", defaultModelName, "--json")).stdout) as {
    version: string;
  };
  expect(pushed).toMatchObject({ name: defaultModelName, version, skipped: 0 });
});

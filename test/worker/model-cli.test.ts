/** push, list, rollback and prune on a local R2 bucket. Pushes that tests kill run in processes of their own. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { withLocalBucket } from "../../cli/store/local-bucket.ts";
import { readLocalPack } from "../../cli/store/local-pack.ts";
import { projectFolder } from "../../cli/store/project.ts";
import { pushPack } from "../../cli/store/push.ts";
import { silentProgress } from "../../cli/terminal/progress.ts";
import { defaultModelName } from "../../src/default-model.ts";
import { PushedPacks, putsOfPush, servedVersion } from "../support/pushed-packs.ts";
import { runProgram } from "../support/run-program.ts";
import { tinyName } from "../support/tiny-pack.ts";

let pushed: PushedPacks;
let persistTo: string;
const v = (i: number) => pushed.packs[i]?.version as string;
const packFolder = (i: number) => pushed.packs[i]?.folder as string;
const model = (...args: string[]) => runProgram("model", [...args, "--persist-to", persistTo]);
const serve = () => servedVersion(persistTo);

beforeAll(async () => {
  pushed = await PushedPacks.create();
});
afterAll(() => pushed.remove());
beforeEach(async () => {
  persistTo = await pushed.bucket();
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
  // Before the last write, which makes the push live. killed-pushes.test.ts has the other moments.
  test("after all uploads but the last: the live version still serves, and the next push uploads the rest", async () => {
    expect(await pushed.killedPush(persistTo, putsOfPush - 1)).toMatchObject({ signal: "SIGKILL" });
    expect(await serve()).toBe(v(1));
    const next = await model("push", packFolder(2), "--json");
    expect(JSON.parse(next.stdout)).toMatchObject({ uploaded: 0, skipped: 5, replaced: v(1) });
    expect(await serve()).toBe(v(2));
  });

  test("consists of six writes", async () => {
    const pack = await readLocalPack(packFolder(2));
    let puts = 0;
    await withLocalBucket(
      async (bucket) => {
        const put: typeof bucket.put = (...args) => {
          puts++;
          return bucket.put(...args);
        };
        const counting = { head: bucket.head, get: bucket.get, put };
        await pushPack(counting, pack, silentProgress);
      },
      { persistTo },
    );
    expect(puts).toBe(putsOfPush);
    expect(await serve()).toBe(v(2));
  });

  test("at any moment of an upload: the live version is complete", async () => {
    const { signal } = await pushed.interruptedPush(persistTo, 20);
    expect([v(1), v(2)], `killed after 20 ms (${signal})`).toContain(await serve());
    expect((await model("push", packFolder(2))).code).toBe(0);
    expect(await serve()).toBe(v(2));
  });

  test("leaves orphans that list shows and prune --orphans removes", async () => {
    await pushed.killedPush(persistTo, 3);
    expect((await model("list")).stdout).toMatch(new RegExp(`${v(2)} +not finished.* 3 `));
    const pruned = await model("prune", tinyName, "--orphans", "--json");
    expect(JSON.parse(pruned.stdout)).toMatchObject({ live: v(1), deleted: [v(2)], deleted_objects: 3 });
    expect(await serve()).toBe(v(1));
  });
});

test("the embedded pack can be pushed with the same command, as a process", async () => {
  const manifest = path.join(projectFolder, "model-shards", defaultModelName, "manifest.json");
  const { version } = JSON.parse(await readFile(manifest, "utf8")) as { version: string };
  const push = ["cli/model.ts", "push", defaultModelName, "--json", "--persist-to", persistTo];
  const { code, stdout } = await pushed.node(push);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ name: defaultModelName, version, skipped: 0 });
});

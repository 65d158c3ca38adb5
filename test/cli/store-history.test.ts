import { beforeEach, describe, expect, test } from "vitest";
import type { StoreBucket } from "../../cli/store/bucket.ts";
import { models, readCurrent } from "../../cli/store/current.ts";
import { deleteModel, deleteModelVersion, listModels, prune, rollback } from "../../cli/store/history.ts";
import { CommandError } from "../../cli/terminal/fail.ts";
import { silentProgress } from "../../cli/terminal/progress.ts";
import { readLiveVersion, readPack, readShard } from "../../src/model/pack.ts";
import { BucketSource } from "../../src/storage/bucket-source.ts";
import { StoreMemoryBucket } from "../support/store-memory-bucket.ts";
import { seedTinyPack, tinyManifest, tinyName } from "../support/tiny-pack.ts";

let bucket: StoreMemoryBucket;
/** Versions in the order in which they were pushed. The last one is live. */
let versions: string[];

const seed = async (count: number) => {
  const manifests = [];
  for (let i = 0; i < count; i++) manifests.push(await seedTinyPack(bucket, { quantisation: { run: i } }));
  versions = manifests.map(({ version }) => version);
  const history = versions.map((version, i) => ({ version, pushed_at: `2026-01-0${i + 1}T00:00:00Z` }));
  bucket.json(`${tinyName}/current.json`, {
    ...{ format: 1, name: tinyName, version: versions.at(-1), history: history.reverse() },
  });
};
const v = (i: number) => versions[i] as string;
const current = () => readCurrent(bucket, models, tinyName);
const keysOf = (version: string) => [...bucket.objects.keys()].filter((key) => key.includes(version));
const failure = async (work: Promise<unknown>) => {
  const error = await work.catch((e: unknown) => e);
  expect(error).toBeInstanceOf(CommandError);
  return (error as CommandError).message;
};
/** Reads what the Worker reads, each file against its hash. */
const serve = async (version?: string) => {
  const source = new BucketSource(bucket);
  const live = version ?? (await readLiveVersion(source, tinyName));
  const { manifest } = await readPack(source, tinyName, live);
  for (const shard of manifest.shards) await readShard(source, manifest, shard);
  return live;
};

beforeEach(async () => {
  bucket = new StoreMemoryBucket();
  await seed(3);
});

describe("list", () => {
  test("shows every version, newest first, with its date, its size and which one is live", async () => {
    const [model] = await listModels(bucket);
    expect(model).toMatchObject({ name: tinyName, live: v(2) });
    expect(model?.versions.map(({ version, live, pushed_at }) => [version, live, pushed_at])).toEqual([
      [v(2), true, "2026-01-03T00:00:00Z"],
      [v(1), false, "2026-01-02T00:00:00Z"],
      [v(0), false, "2026-01-01T00:00:00Z"],
    ]);
    const bytes = keysOf(v(1)).reduce((sum, key) => sum + (bucket.objects.get(key)?.length ?? 0), 0);
    expect(model?.versions[1]).toMatchObject({ objects: 5, bytes });
  });

  test("shows leftovers of an interrupted push without a date", async () => {
    bucket.objects.set(`${tinyName}/${"a".repeat(16)}/shard-00.onnx`, new Uint8Array(7));
    const [model] = await listModels(bucket, tinyName);
    expect(model?.versions.at(-1)).toEqual({
      ...{ version: "a".repeat(16), live: false, pushed_at: null, objects: 1, bytes: 7 },
    });
  });

  test("shows every model, and no other folders", async () => {
    bucket.json("another/current.json", { format: 1, name: "another", version: "b".repeat(16), history: [] });
    bucket.json("photos/holiday.jpg", "");
    const listed = await listModels(bucket);
    expect(listed.map(({ name, live }) => [name, live])).toEqual([
      ["another", "b".repeat(16)],
      [tinyName, v(2)],
    ]);
  });

  test("names the available models when there is no such model", async () => {
    expect(await failure(listModels(bucket, "nix"))).toMatch(
      `no model nix; available: ${tinyName}; push it first: npm run model -- push nix`,
    );
    expect(await failure(listModels(new StoreMemoryBucket(), "nix"))).toMatch(
      "no model nix; available: none",
    );
  });
});

describe("rollback", () => {
  test("makes an earlier version live, keeps the history, and can be undone", async () => {
    const before = await current();
    expect(await rollback(bucket, tinyName, v(0), silentProgress)).toEqual({
      ...{ name: tinyName, version: v(0), replaced: v(2), changed: true },
    });
    expect(await serve()).toBe(v(0));
    expect((await current())?.history).toEqual(before?.history);
    await rollback(bucket, tinyName, v(2), silentProgress);
    expect(await current()).toEqual(before);
  });

  test("to the live version writes nothing", async () => {
    const report = await rollback(bucket, tinyName, v(2), silentProgress);
    expect(report).toMatchObject({ changed: false, replaced: v(2) });
    expect(bucket.puts).toEqual([]);
  });

  const spoil: [string, (folder: string) => void][] = [
    ["a missing shard", (folder) => bucket.objects.delete(`${folder}/shard-01.onnx`)],
    [
      "a shard of other bytes",
      (folder) => bucket.objects.set(`${folder}/shard-01.onnx`, new Uint8Array(101)),
    ],
    ["a shard cut short", (folder) => bucket.objects.set(`${folder}/shard-01.onnx`, new Uint8Array(9))],
    ["missing labels", (folder) => bucket.objects.delete(`${folder}/labels.json`)],
    ["a missing manifest", (folder) => bucket.objects.delete(`${folder}/manifest.json`)],
    ["another manifest", (folder) => bucket.json(`${folder}/manifest.json`, { format: 1 })],
  ];
  test.each(spoil)("to a version with %s is refused, and changes nothing", async (_, damage) => {
    damage(`${tinyName}/${v(0)}`);
    const message = await failure(rollback(bucket, tinyName, v(0), silentProgress));
    expect(message).toMatch(new RegExp(`version ${v(0)} of ${tinyName} is damaged: .*nothing was changed`));
    expect(await serve()).toBe(v(2));
    expect(bucket.puts).toEqual([]);
  });

  test("checks the bytes of objects that another tool uploaded without a hash", async () => {
    const key = `${tinyName}/${v(0)}/shard-01.onnx`;
    const head = bucket.head.bind(bucket);
    const withoutHash: StoreBucket["head"] = async (k) => {
      const found = await head(k);
      return found && k === key ? { size: found.size, checksums: {} } : found;
    };
    Object.assign(bucket, { head: withoutHash });
    expect(await rollback(bucket, tinyName, v(0), silentProgress)).toMatchObject({ changed: true });
    await rollback(bucket, tinyName, v(2), silentProgress);
    bucket.objects.set(key, new Uint8Array(101));
    expect(await failure(rollback(bucket, tinyName, v(0), silentProgress))).toContain(
      `${key} is missing or damaged`,
    );
  });

  test("names the available versions when there is no such version", async () => {
    expect(await failure(rollback(bucket, tinyName, "0".repeat(16), silentProgress))).toBe(
      `the model ${tinyName} has no version ${"0".repeat(16)} in the bucket; available: ${v(1)}, ${v(0)}; nothing was changed`,
    );
    expect(await failure(rollback(bucket, "nix", v(0), silentProgress))).toMatch("no model nix");
  });

  test("to a complete version that is in no history adds it to the history", async () => {
    const whole = await current();
    bucket.json(`${tinyName}/current.json`, { ...whole, history: whole?.history.slice(0, 2) });
    await rollback(bucket, tinyName, v(0), silentProgress);
    expect((await current())?.history.map(({ version }) => version)).toEqual([v(0), v(2), v(1)]);
  });
});

describe("prune", () => {
  const run = (options: { keep?: number; orphans?: boolean; dryRun?: boolean } = {}) =>
    prune(bucket, tinyName, { keep: 2, orphans: false, dryRun: false, ...options }, silentProgress);

  test("keeps the live version and the newest others", async () => {
    expect(await run()).toMatchObject({
      live: v(2),
      kept: [v(2), v(1)],
      deleted: [v(0)],
      deleted_objects: 5,
    });
    expect(keysOf(v(0))).toEqual([]);
    expect((await current())?.history.map(({ version }) => version)).toEqual([v(2), v(1)]);
    for (const version of [v(2), v(1)]) expect(await serve(version)).toBe(version);
  });

  test("never deletes the live version, even if it is the oldest", async () => {
    await rollback(bucket, tinyName, v(0), silentProgress);
    expect(await run({ keep: 1 })).toMatchObject({ kept: [v(0)], deleted: [v(2), v(1)] });
    expect(await serve()).toBe(v(0));
  });

  test("writes nothing the second time", async () => {
    await run();
    const [puts, deletes] = [bucket.puts.length, bucket.deletes.length];
    expect(await run()).toMatchObject({ deleted: [], deleted_objects: 0 });
    expect([bucket.puts.length, bucket.deletes.length]).toEqual([puts, deletes]);
  });

  test("a dry run reports the same and deletes nothing", async () => {
    const before = new Map(bucket.objects);
    expect(await run({ dryRun: true })).toMatchObject({ deleted: [v(0)], deleted_objects: 5, dry_run: true });
    expect(bucket.objects).toEqual(before);
  });

  test("leftovers of an interrupted push stay, and are named, unless --orphans is given", async () => {
    const orphan = await tinyManifest({ quantisation: { run: "orphan" } });
    const key = `${tinyName}/${orphan.version}/shard-00.onnx`;
    bucket.objects.set(key, new Uint8Array(7));
    bucket.json(`${tinyName}/notes/readme.txt`, "not ours");
    expect(await run({ keep: 3 })).toMatchObject({ deleted: [], orphans: [orphan.version] });
    expect(bucket.objects.has(key)).toBe(true);
    expect(await run({ keep: 3, orphans: true })).toMatchObject({ deleted: [orphan.version], orphans: [] });
    expect(bucket.objects.has(key)).toBe(false);
    expect(bucket.objects.has(`${tinyName}/notes/readme.txt`)).toBe(true);
  });

  test("interrupted before any write, leaves a history of complete versions and no half version with a manifest, and --orphans completes it", async () => {
    let writes = 0;
    bucket.beforeWrite = () => void writes++;
    await run({ keep: 1 });
    expect(writes).toBe(1 + 2 * 5);
    for (let cut = 0; cut < writes; cut++) {
      bucket = new StoreMemoryBucket();
      await seed(3);
      let count = 0;
      bucket.beforeWrite = () => {
        if (count++ === cut) throw new Error("killed");
      };
      await expect(run({ keep: 1 }), `cut ${cut}`).rejects.toThrow("killed");
      bucket.beforeWrite = () => {};
      for (const { version } of (await current())?.history ?? []) expect(await serve(version)).toBe(version);
      expect(await serve()).toBe(v(2));
      for (const version of [v(0), v(1)]) {
        if (keysOf(version).length < 5) expect(keysOf(version).join()).not.toContain("manifest.json");
      }
      await run({ keep: 1, orphans: true });
      expect([...bucket.objects.keys()].filter((key) => !key.includes(v(2)))).toEqual([
        `${tinyName}/current.json`,
      ]);
    }
  });
});

describe("delete", () => {
  const free = { mayBeServed: false, force: false };

  test("of a version removes it from the history and its objects; the others stay whole", async () => {
    const report = await deleteModelVersion(bucket, tinyName, v(1), silentProgress);
    expect(report).toMatchObject({ deleted: [v(1)], deleted_objects: 5 });
    expect(keysOf(v(1))).toEqual([]);
    expect((await current())?.history.map(({ version }) => version)).toEqual([v(2), v(0)]);
    expect(await serve()).toBe(v(2));
    await serve(v(0));
  });

  test("of the live version, of another model or version is refused, and changes nothing", async () => {
    const before = new Map(bucket.objects);
    const messages = [
      await failure(deleteModelVersion(bucket, tinyName, v(2), silentProgress)),
      await failure(deleteModelVersion(bucket, tinyName, "f".repeat(16), silentProgress)),
      await failure(deleteModelVersion(bucket, "nix", v(2), silentProgress)),
      await failure(deleteModel(bucket, "nix", free, silentProgress)),
      await failure(deleteModel(bucket, tinyName, { ...free, mayBeServed: true }, silentProgress)),
    ];
    expect(messages).toEqual([
      expect.stringMatching(/is live; nothing was changed; roll back to another version first/),
      expect.stringMatching(/has no version f+ in the bucket/),
      expect.stringMatching(/has no model nix/),
      expect.stringMatching(/has no model nix/),
      expect.stringMatching(/a Worker may serve the model tiny; nothing was changed; .* --force$/),
    ]);
    expect(bucket.objects).toEqual(before);
  });

  test("of a whole model leaves nothing, and removes first what makes it live", async () => {
    const report = await deleteModel(bucket, tinyName, { mayBeServed: true, force: true }, silentProgress);
    expect(new Set(report.deleted)).toEqual(new Set(versions));
    expect(bucket.deletes[0]).toBe(`${tinyName}/current.json`);
    expect([...bucket.objects.keys()]).toEqual([]);
  });
});

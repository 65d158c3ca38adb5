/** push, list and rollback of heads, and that the folder of heads is not listed as a model. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { randomHead } from "../../cli/head/random-head.ts";
import { heads, readCurrent } from "../../cli/store/current.ts";
import { deleteHead, listHeads, listModels, prune, rollbackHead } from "../../cli/store/history.ts";
import { type LocalHead, readLocalHead } from "../../cli/store/local-head.ts";
import { pushHead } from "../../cli/store/push.ts";
import { CommandError } from "../../cli/terminal/fail.ts";
import { silentProgress } from "../../cli/terminal/progress.ts";
import { type Backbone, headCurrentKey, headKey, readHeadMetadata } from "../../src/head/live-heads.ts";
import { maxHeadBackbones, maxHeadBytes, maxHeadHistory } from "../../src/limits.ts";
import { manifestSchema } from "../../src/model/manifest.ts";
import { StoreMemoryBucket } from "../support/store-memory-bucket.ts";
import { seedTinyPack, tinyManifest, tinyName } from "../support/tiny-pack.ts";

let folder: string;
let bucket: StoreMemoryBucket;
let backbone: Backbone;

const local = async (seed: number, more = {}): Promise<LocalHead> => {
  const { bytes } = await randomHead({ name: "pets", seed, backbone, featureSize: 3, ...more });
  const file = path.join(folder, "head.json");
  await writeFile(file, bytes);
  return readLocalHead(file);
};
const push = async (seed: number, more = {}) => pushHead(bucket, await local(seed, more), silentProgress);
const current = () => readCurrent(bucket, heads, "pets");
const free = { isCdnHead: false, force: false };
const live = async () => (await current())?.live.map(({ version }) => version);
const failure = async (work: Promise<unknown>) => {
  const error = await work.catch((e: unknown) => e);
  expect(error).toBeInstanceOf(CommandError);
  return (error as CommandError).message;
};

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "heads-"));
  bucket = new StoreMemoryBucket();
  const { name, version } = await seedTinyPack(bucket);
  backbone = { name, version };
});
afterEach(() => rm(folder, { recursive: true }));

describe("head push", () => {
  test("uploads the file, then makes it live with the last write", async () => {
    const report = await push(1);
    expect(report).toMatchObject({
      ...{ name: "pets", backbone: `${tinyName}/${backbone.version}`, backbone_is_live: true },
      ...{ uploaded: true, replaced: null },
    });
    expect(bucket.puts).toEqual([headKey("pets", report.version), headCurrentKey("pets")]);
    expect(await live()).toEqual([report.version]);
    const metadata = bucket.metadata.get(headCurrentKey("pets"));
    expect(readHeadMetadata(metadata)).toEqual([{ version: report.version, backbone }]);
  });

  test("writes nothing the second time; reports which version another one replaces", async () => {
    const first = await push(1);
    const puts = bucket.puts.length;
    expect(await push(1)).toMatchObject({ uploaded: false, replaced: null });
    expect(bucket.puts).toHaveLength(puts);
    expect(await push(2)).toMatchObject({ uploaded: true, replaced: first.version });
  });

  test("replaces a file that is damaged in the bucket", async () => {
    const { version } = await push(1);
    bucket.objects.set(headKey("pets", version), new Uint8Array(7));
    expect(await push(1)).toMatchObject({ uploaded: true });
  });

  test("interrupted before any write, leaves the live version, and the next push completes", async () => {
    const { version } = await push(1);
    for (const cut of [0, 1]) {
      let puts = 0;
      bucket.beforePut = async () => {
        if (puts++ === cut) throw new Error("killed");
      };
      await expect(push(2)).rejects.toThrow("killed");
      bucket.beforePut = async () => {};
      expect(await live()).toEqual([version]);
    }
    expect(await push(2)).toMatchObject({ uploaded: false, replaced: version });
  });

  test("keeps the head of the live model version when it pushes one for a version that is not live yet", async () => {
    const now = await push(1);
    const next = await tinyManifest({ quantisation: { run: 1 } });
    bucket.json(`${tinyName}/${next.version}/manifest.json`, next);
    const later = await push(2, { backbone: next });
    expect(later).toMatchObject({ backbone_is_live: false, replaced: null });
    expect(await live()).toEqual([later.version, now.version]);
  });

  test("refuses a head for a model version that the bucket does not have, and names the live ones", async () => {
    const message = await failure(push(1, { backbone: { name: "other", version: "0".repeat(16) } }));
    expect(message).toMatch(`trained on other/${"0".repeat(16)}, which the bucket does not have`);
    expect(message).toMatch(
      `(live: ${tinyName}/${backbone.version}); nothing was changed; train the head on a live version`,
    );
    expect(bucket.puts).toEqual([]);
  });

  test("refuses a head for features of another size", async () => {
    expect(await failure(push(1, { featureSize: 4 }))).toMatch(/takes 4 features, but tiny\/.* has 3; train/);
  });

  test("drops heads of deleted model versions, and keeps a bounded history", async () => {
    const keep = await push(0);
    const entry = (await current())!.live[0]!;
    const hex = (i: number) => i.toString(16).padStart(16, "0");
    const gone = Array.from({ length: maxHeadBackbones - 1 }, (_, i) => ({
      ...entry,
      version: hex(i),
      backbone: { name: tinyName, version: hex(i) },
    }));
    const history = Array.from({ length: maxHeadHistory }, (_, i) => ({ ...entry, version: hex(i) }));
    bucket.json(headCurrentKey("pets"), { format: 1, name: "pets", live: [entry, ...gone], history });
    const next = await tinyManifest({ quantisation: { run: 1 } });
    bucket.json(`${tinyName}/${next.version}/manifest.json`, next);
    const { version } = await push(1, { backbone: next });
    expect(await live()).toEqual([version, keep.version]);
    const after = (await current())!.history.map((each) => each.version);
    expect([after.length, after[0]]).toEqual([maxHeadHistory, version]);
    const [listed] = await listHeads(bucket, "pets");
    expect(listed?.versions.find((each) => each.version === keep.version)).toMatchObject({ live: true });
  });
});

describe("a head file", () => {
  test.each<[string, string, RegExp]>([
    ["that is not a head", "{}", /is not valid: format: it has format undefined/],
    [
      "that is too large",
      " ".repeat(maxHeadBytes + 1),
      /has 1048577 bytes; the Worker accepts .* at most 1048576/,
    ],
  ])("%s is refused", async (_, text, expected) => {
    const file = path.join(folder, "pets.json");
    await writeFile(file, text);
    expect(await failure(readLocalHead(file))).toMatch(expected);
  });

  test("that is missing is named", async () => {
    expect(await failure(readLocalHead(path.join(folder, "nix.json")))).toMatch(/nix\.json is missing/);
  });
});

describe("head rollback", () => {
  test("goes to the previous version, or to the one named, and back", async () => {
    const [a, b, c] = [(await push(1)).version, (await push(2)).version, (await push(3)).version];
    expect(await rollbackHead(bucket, "pets")).toMatchObject({ version: b, replaced: c, changed: true });
    expect(await rollbackHead(bucket, "pets")).toMatchObject({ version: a, replaced: b });
    expect(await failure(rollbackHead(bucket, "pets"))).toMatch(`no version before ${a}`);
    expect(await rollbackHead(bucket, "pets", c)).toMatchObject({ version: c, replaced: a });
    const puts = bucket.puts.length;
    expect(await rollbackHead(bucket, "pets", c)).toMatchObject({ changed: false });
    expect([bucket.puts.length, await live()]).toEqual([puts, [c]]);
  });

  test("changes the head of its own model version only", async () => {
    const [first, second] = [await push(1), await push(2)];
    const next = await tinyManifest({ quantisation: { run: 1 } });
    bucket.json(`${tinyName}/${next.version}/manifest.json`, next);
    const later = await push(3, { backbone: next });
    expect(await failure(rollbackHead(bucket, "pets"))).toMatch(
      /live on several model versions .* name the version/,
    );
    expect(await rollbackHead(bucket, "pets", first.version)).toMatchObject({ replaced: second.version });
    expect(await live()).toEqual([first.version, later.version]);
  });

  test("to a damaged or missing version is refused, and changes nothing", async () => {
    const [a, b] = [(await push(1)).version, (await push(2)).version];
    bucket.objects.set(headKey("pets", a), new Uint8Array(7));
    expect(await failure(rollbackHead(bucket, "pets"))).toMatch(/is missing or damaged; nothing was/);
    expect(await failure(rollbackHead(bucket, "pets", "0".repeat(16)))).toMatch(`available: ${b}, ${a}`);
    expect(await failure(rollbackHead(bucket, "nix"))).toMatch("no head nix; available: pets");
    expect(await live()).toEqual([b]);
  });
});

describe("head list", () => {
  test("shows every version, newest first, and which one is live", async () => {
    const [a, b] = [await push(1), await push(2)];
    bucket.objects.delete(headKey("pets", a.version));
    const [pets] = await listHeads(bucket);
    expect(pets?.versions.map(({ version, live: is, there }) => [version, is, there])).toEqual([
      [b.version, true, true],
      [a.version, false, false],
    ]);
    expect(await failure(listHeads(bucket, "nix"))).toMatch("no head nix");
  });
});

describe("the folder of heads", () => {
  test("is not a model: not listed, not pruned, and no pack can have its name", async () => {
    await push(1);
    expect((await listModels(bucket)).map(({ name }) => name)).toEqual([tinyName]);
    const options = { keep: 1, orphans: true, dryRun: false };
    expect(await failure(prune(bucket, "heads", options, silentProgress))).toMatch(
      `no model heads; available: ${tinyName}`,
    );
    await prune(bucket, tinyName, options, silentProgress);
    expect(await live()).toHaveLength(1);
    const parsed = manifestSchema.safeParse(await tinyManifest({ name: "heads" }));
    expect(parsed.error?.issues[0]?.message).toMatch(/another name: heads is the bucket's folder of heads/);
  });
});

describe("head delete", () => {
  test("removes first what makes the head live, then every version; models stay", async () => {
    const { version: first } = await push(1);
    const { version: second } = await push(2);
    const others = [...bucket.objects.keys()].filter((key) => !key.startsWith("heads/"));
    const report = await deleteHead(bucket, "pets", free);
    expect(report).toMatchObject({ name: "pets", deleted_objects: 2 });
    expect(new Set(report.deleted)).toEqual(new Set([first, second]));
    expect(bucket.deletes[0]).toBe(headCurrentKey("pets"));
    expect([...bucket.objects.keys()]).toEqual(others);
  });

  test("continues after an interruption", async () => {
    const { version } = await push(1);
    let writes = 0;
    bucket.beforeWrite = () => {
      if (++writes === 2) throw new Error("interrupted");
    };
    await expect(deleteHead(bucket, "pets", free)).rejects.toThrow("interrupted");
    expect(await current()).toBeUndefined();
    bucket.beforeWrite = () => {};
    expect((await deleteHead(bucket, "pets", free)).deleted).toEqual([version]);
    expect([...bucket.objects.keys()].filter((key) => key.startsWith("heads/"))).toEqual([]);
  });

  test("refuses the head of CDN_HEAD unless forced", async () => {
    const { version } = await push(1);
    expect(await failure(deleteHead(bucket, "pets", { isCdnHead: true, force: false }))).toMatch(
      /wrangler\.toml names the head pets \(CDN_HEAD\).* nothing was changed; .*--force/,
    );
    expect(await live()).toEqual([version]);
    await deleteHead(bucket, "pets", { isCdnHead: true, force: true });
    expect(await live()).toBeUndefined();
  });

  test("refuses a head that is not there", async () => {
    expect(await failure(deleteHead(bucket, "nix", free))).toMatch(/has no head nix; available: none/);
  });
});

/** Commands that write to one bucket at the same time, each through its own R2 on the same storage. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RandomHead, randomHead } from "../../cli/head/random-head.ts";
import type { StoreBucket } from "../../cli/store/bucket.ts";
import { heads, models, readCurrent } from "../../cli/store/current.ts";
import { prune } from "../../cli/store/history.ts";
import { withLocalBucket } from "../../cli/store/local-bucket.ts";
import { type LocalPack, readLocalPack } from "../../cli/store/local-pack.ts";
import { pushHead, pushPack } from "../../cli/store/push.ts";
import { CommandError } from "../../cli/terminal/fail.ts";
import { silentProgress } from "../../cli/terminal/progress.ts";
import { sha256Hex } from "../../src/bytes/byte-arrays.ts";
import { parseHead } from "../../src/head/head.ts";
import { MemoryBucket } from "../support/memory-bucket.ts";
import { seedTinyPack, tinyName } from "../support/tiny-pack.ts";

const pairs = Array.from({ length: 10 }, (_, i) => i);
let folder: string;
/** Version i of the tiny model. */
let packs: LocalPack[];

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "pushes-"));
  packs = [];
  for (let run = 0; run < 20; run++) packs.push(await writePack(run));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function writePack(run: number): Promise<LocalPack> {
  const bucket = new MemoryBucket();
  const { version } = await seedTinyPack(bucket, { quantisation: { run } });
  const packFolder = await mkdtemp(path.join(folder, "pack-"));
  const prefix = `${tinyName}/${version}/`;
  for (const [key, bytes] of bucket.objects) {
    if (key.startsWith(prefix)) await writeFile(path.join(packFolder, key.slice(prefix.length)), bytes);
  }
  return readLocalPack(packFolder);
}

/** Runs `work` with two independent connections to one bucket. */
async function withTwo(work: (a: StoreBucket, b: StoreBucket) => Promise<void>): Promise<void> {
  const persistTo = await mkdtemp(path.join(folder, "state-"));
  await withLocalBucket((a) => withLocalBucket((b) => work(a, b), { persistTo }), { persistTo });
}

async function push(bucket: StoreBucket, { bytes }: RandomHead) {
  const head = { head: await parseHead(bytes), content: bytes, sha256: await sha256Hex(bytes) };
  return pushHead(bucket, head, silentProgress);
}

const head = (name: string, seed: number, pack: LocalPack) =>
  randomHead({ name, seed, backbone: pack.manifest, featureSize: 3 });

describe("ten concurrent pairs lose nothing:", () => {
  test("heads of one name on two versions of the model, also if the name is new", async () => {
    await withTwo(async (a, b) => {
      for (const pack of packs.slice(0, 2)) await pushPack(a, pack, silentProgress);
      for (const i of pairs) {
        // Each name is used twice. The first time there is no current.json.
        const name = `head-${i >> 1}`;
        const pair = [await head(name, 2 * i, packs[0]!), await head(name, 2 * i + 1, packs[1]!)] as const;
        await Promise.all([push(a, pair[0]), push(b, pair[1])]);
        const current = await readCurrent(a, heads, name);
        const versions = pair.map(({ file }) => file.version).sort();
        expect(current?.live.map(({ version }) => version).sort()).toEqual(versions);
        expect(current?.history.map(({ version }) => version)).toEqual(expect.arrayContaining(versions));
      }
    });
  });

  test("versions of a model: one is live, both are in the history", async () => {
    await withTwo(async (a, b) => {
      for (const i of pairs) {
        const pair = [packs[2 * i]!, packs[2 * i + 1]!] as const;
        const reports = await Promise.all([
          pushPack(a, pair[0], silentProgress),
          pushPack(b, pair[1], silentProgress),
        ]);
        const current = await readCurrent(a, models, tinyName);
        const versions = pair.map(({ manifest }) => manifest.version);
        expect(versions).toContain(current?.version);
        expect(
          current?.history
            .slice(0, 2)
            .map(({ version }) => version)
            .sort(),
        ).toEqual(versions.sort());
        expect(current?.history).toHaveLength(2 * (i + 1));
        // The live version names the other one as the one it replaced.
        const live = reports.find(({ version }) => version === current?.version);
        expect(live?.replaced).toBe(versions.find((version) => version !== current?.version));
      }
    });
  });

  test("a push and a prune: the pushed version is live and complete", async () => {
    await withTwo(async (a, b) => {
      for (const i of pairs) {
        await pushPack(a, packs[i]!, silentProgress);
        const next = packs[i + 10]!;
        const options = { keep: 1, orphans: false, dryRun: false };
        await Promise.all([pushPack(a, next, silentProgress), prune(b, tinyName, options, silentProgress)]);
        const current = await readCurrent(a, models, tinyName);
        expect(current?.version).toBe(next.manifest.version);
        for (const file of next.files)
          expect(await a.head(`${tinyName}/${next.manifest.version}/${file.name}`)).not.toBeNull();
      }
    });
  });
});

test("a push that loses every time reports that nothing went live", async () => {
  const bucket = new MemoryBucket();
  let others = 0;
  bucket.beforePut = async (key) => {
    if (key.endsWith("current.json")) await seedTinyPack(bucket, { quantisation: { other: others++ } });
  };
  const pushing = pushPack(bucket, packs[0]!, silentProgress);
  await expect(pushing).rejects.toThrow(CommandError);
  await expect(pushing).rejects.toThrow(
    /other commands changed tiny\/current\.json 10 times .* run the command/,
  );
  expect((await readCurrent(bucket, models, tinyName))?.version).not.toBe(packs[0]!.manifest.version);
});

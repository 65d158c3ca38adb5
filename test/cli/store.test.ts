import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { models, readCurrent } from "../../cli/store/current.ts";
import { findPackFolder, type LocalPack, packsFolder, readLocalPack } from "../../cli/store/local-pack.ts";
import { pushPack } from "../../cli/store/push.ts";
import { CommandError } from "../../cli/terminal/fail.ts";
import { silentProgress } from "../../cli/terminal/progress.ts";
import { sha256Hex } from "../../src/bytes/byte-arrays.ts";
import { defaultModelName } from "../../src/default-model.ts";
import { manifestVersion } from "../../src/model/manifest.ts";
import { readLiveVersion, readPack } from "../../src/model/pack.ts";
import { BucketSource } from "../../src/storage/bucket-source.ts";
import { MemoryBucket } from "../support/memory-bucket.ts";

const name = defaultModelName;
let pack: LocalPack;
let bucket: MemoryBucket;

beforeEach(async () => {
  pack = await readLocalPack(path.join(packsFolder, name));
  bucket = new MemoryBucket();
});

describe("pushPack", () => {
  test("uploads every file, then makes the version live with the last write", async () => {
    const report = await pushPack(bucket, pack, silentProgress);
    expect(report).toMatchObject({ name, uploaded: pack.files.length, skipped: 0, replaced: null });
    expect(bucket.puts.at(-1)).toBe(`${name}/current.json`);
    const source = new BucketSource(bucket);
    const version = await readLiveVersion(source, name);
    expect(version).toBe(pack.manifest.version);
    expect((await readPack(source, name, version)).labels).toHaveLength(pack.manifest.classes);
  });

  test("writes nothing the second time", async () => {
    await pushPack(bucket, pack, silentProgress);
    const puts = bucket.puts.length;
    const report = await pushPack(bucket, pack, silentProgress);
    expect(report).toMatchObject({ uploaded: 0, uploaded_bytes: 0, skipped: pack.files.length });
    expect(bucket.puts).toHaveLength(puts);
  });

  test("replaces an object that has other content", async () => {
    await pushPack(bucket, pack, silentProgress);
    const key = `${name}/${pack.manifest.version}/shard-00.onnx`;
    bucket.objects.set(key, new Uint8Array(bucket.objects.get(key)!.length));
    expect(await pushPack(bucket, pack, silentProgress)).toMatchObject({ uploaded: 1 });
  });

  test("interrupted before any upload, leaves the live version, and the next push completes", async () => {
    const before = { format: 1, name, version: "0".repeat(16), history: [] };
    for (let cut = 0; cut < pack.files.length + 1; cut++) {
      bucket = new MemoryBucket();
      bucket.json(`${name}/current.json`, before);
      let puts = 0;
      bucket.beforePut = async () => {
        if (puts++ === cut) throw new Error("killed");
      };
      await expect(pushPack(bucket, pack, silentProgress)).rejects.toThrow("killed");
      expect((await readCurrent(bucket, models, name))?.version).toBe(before.version);
      bucket.beforePut = async () => {};
      await expect(pushPack(bucket, pack, silentProgress)).resolves.toMatchObject({
        skipped: cut,
        replaced: before.version,
      });
      expect((await readCurrent(bucket, models, name))?.version).toBe(pack.manifest.version);
    }
  });
});

describe("readLocalPack", () => {
  let folder: string;
  beforeEach(async () => {
    folder = path.join(await mkdtemp(path.join(tmpdir(), "pack-")), name);
    await cp(pack.folder, folder, { recursive: true });
  });
  afterEach(() => rm(path.dirname(folder), { recursive: true }));

  const failure = async () => {
    const error = await readLocalPack(folder).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(CommandError);
    return (error as CommandError).message;
  };

  test("names a file that is missing", async () => {
    await rm(path.join(folder, "shard-01.onnx"));
    expect(await failure()).toMatch(/shard-01\.onnx is missing; restore it/);
  });

  test("names a file that was changed", async () => {
    await writeFile(path.join(folder, "labels.json"), " ".repeat(pack.manifest.labels.bytes));
    expect(await failure()).toMatch(/labels\.json has SHA-256 .* its manifest says/);
    await writeFile(path.join(folder, "labels.json"), "[]");
    expect(await failure()).toMatch(/labels\.json has 2 bytes; its manifest says/);
  });

  test.each<[string, object, RegExp]>([
    ["a label that is too long", [{ id: "a", label: "x".repeat(257) }], /0\.label: expected at most 256/],
    ["too few labels", [{ id: "a", label: "a" }], /has 1 labels; expected 200/],
    ["a label in another form", ["a"], /labels\.json is not valid: 0: /],
  ])("refuses %s, even if the hash matches", async (_, labels, expected) => {
    const bytes = new TextEncoder().encode(JSON.stringify(labels));
    const { version: __, ...content } = {
      ...pack.manifest,
      labels: { file: "labels.json", bytes: bytes.length, sha256: await sha256Hex(bytes) },
    };
    await writeFile(path.join(folder, "labels.json"), bytes);
    await writeFile(
      path.join(folder, "manifest.json"),
      JSON.stringify({ ...content, version: await manifestVersion(content) }),
    );
    expect(await failure()).toMatch(expected);
  });

  test("names a manifest that was edited", async () => {
    const manifest = { ...pack.manifest, precision: "fp32" };
    await writeFile(path.join(folder, "manifest.json"), JSON.stringify(manifest));
    expect(await failure()).toMatch(/it was edited: make the pack again/);
  });

  test("names what is wrong with a manifest of another format", async () => {
    await writeFile(path.join(folder, "manifest.json"), JSON.stringify({ ...pack.manifest, format: 9 }));
    expect(await failure()).toMatch(/manifest\.json is not valid: format: .*; make the pack again/);
  });
});

describe("findPackFolder", () => {
  test("accepts a name, or the folder of a pack", async () => {
    expect(await findPackFolder(name)).toBe(path.join(packsFolder, name));
    expect(await findPackFolder(pack.folder)).toBe(pack.folder);
  });

  test("names the two commands that make a model of the catalogue", async () => {
    const empty = await mkdtemp(path.join(tmpdir(), "packs-"));
    await expect(findPackFolder("resnet34-v1-7", empty)).rejects.toThrow(
      /npm run model -- fetch resnet34-v1-7\n {2}npm run model -- pack resnet34-v1-7$/,
    );
    await rm(empty, { recursive: true });
  });

  test("names the available packs otherwise", async () => {
    await expect(findPackFolder("nix")).rejects.toThrow(
      /there is no pack nix: .*available: .*resnet34-tiny-imagenet/,
    );
  });
});

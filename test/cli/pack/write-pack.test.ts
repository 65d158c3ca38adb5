import { mkdir, mkdtemp, readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { assemblePack, type PackFacts, requireReplaceable, writePack } from "../../../cli/pack/write-pack.ts";
import { sha256Hex } from "../../../src/bytes/byte-arrays.ts";
import { manifestSchema, manifestVersion } from "../../../src/model/manifest.ts";
import { preprocessingOf } from "../../support/preprocessing.ts";

const labels = [
  { id: "n1", label: "one" },
  { id: "n2", label: "two" },
];
const shards = [
  { bytes: Uint8Array.of(1, 2, 3), inputs: ["data"], outputs: ["a", "b"] },
  { bytes: Uint8Array.of(4, 5), inputs: ["a", "b"], outputs: ["features", "logits"] },
];
const facts: PackFacts = {
  format: 1,
  name: "tiny",
  source: { file: "tiny.onnx", bytes: 10, sha256: "0".repeat(64), licence: "Apache-2.0" },
  input: { name: "data", shape: [1, 3, 32, 32] },
  preprocessing: preprocessingOf(32),
  classes: 2,
  outputs: { logits: "logits", features: "features" },
  feature_size: 16,
  precision: "int8",
  quantisation: null,
};

const emptyFolder = () => mkdtemp(path.join(tmpdir(), "write-pack-"));

describe("a pack", () => {
  test("has a manifest that parses, names every file by size and hash, and has its own hash as version", async () => {
    const { manifest, files } = await assemblePack(facts, labels, shards);
    const written = JSON.parse(new TextDecoder().decode(files.get("manifest.json")));
    expect(manifestSchema.parse(written)).toEqual(manifest);
    expect(await manifestVersion(written)).toBe(manifest.version);
    expect(Array.from(files.keys()).sort()).toEqual([
      "labels.json",
      "manifest.json",
      "shard-00.onnx",
      "shard-01.onnx",
    ]);
    for (const { file, bytes, sha256 } of [...manifest.shards, manifest.labels]) {
      expect(files.get(file)).toHaveLength(bytes);
      expect(await sha256Hex(files.get(file)!)).toBe(sha256);
    }
    expect(manifest.shards.map((shard) => shard.inputs)).toEqual([["data"], ["a", "b"]]);
    expect(JSON.parse(new TextDecoder().decode(files.get("labels.json")))).toEqual(labels);
  });

  test("has another version for other weights, labels or preprocessing, and the same for the same", async () => {
    const version = async (...parts: Parameters<typeof assemblePack>) =>
      (await assemblePack(...parts)).manifest.version;
    const other = [{ ...shards[0]!, bytes: Uint8Array.of(1, 2, 4) }, shards[1]!];
    const versions = await Promise.all([
      version(facts, labels, shards),
      version(facts, labels, other),
      version(facts, [labels[0]!, { id: "n2", label: "deux" }], shards),
      version({ ...facts, preprocessing: { ...facts.preprocessing, resize: "stretch" } }, labels, shards),
    ]);
    expect(new Set(versions).size).toBe(4);
    expect(await version(facts, labels, shards)).toBe(versions[0]);
  });

  test.each([
    ["name", { name: "Has Spaces" }, /would not be valid: name: expected a-z/],
    [
      "input shape",
      { input: { name: "data", shape: [1, 3, 64, 64] } },
      /height and width to equal preprocessing\.crop/,
    ],
  ])("that the Worker would refuse is not made: %s", async (_, change, message) => {
    const attempt = assemblePack({ ...facts, ...change }, labels, shards);
    await expect(attempt).rejects.toThrow(message);
    await expect(attempt).rejects.toMatchObject({ name: "CommandError" });
  });
});

describe("writing a pack", () => {
  test("puts exactly its files into the folder, in place of what was there", async () => {
    const parent = await emptyFolder();
    const folder = path.join(parent, "deep", "tiny");
    const first = await assemblePack(facts, labels, [...shards, shards[1]!]);
    await writePack(first, folder);
    expect(await readdir(folder)).toContain("shard-02.onnx");
    const second = await assemblePack(facts, labels, shards);
    await writePack(second, folder);
    expect((await readdir(folder)).sort()).toEqual(Array.from(second.files.keys()).sort());
    for (const [file, bytes] of second.files) {
      expect(new Uint8Array(await readFile(path.join(folder, file)))).toEqual(new Uint8Array(bytes));
    }
    expect(await readdir(path.dirname(folder))).toEqual(["tiny"]);
  });

  test("that is interrupted at any file leaves the earlier pack whole, and nothing else", async () => {
    const parent = await emptyFolder();
    const folder = path.join(parent, "tiny");
    await writePack(await assemblePack(facts, labels, shards), folder);
    const before = await readFile(path.join(folder, "manifest.json"), "utf8");
    const next = await assemblePack(facts, [...labels].reverse(), shards);
    for (let files = 0; files < next.files.size; files++) {
      let left = files;
      const full = async (file: string, bytes: Uint8Array) => {
        if (left-- === 0) throw new Error("ENOSPC: no space left on device");
        await writeFile(file, bytes);
      };
      await expect(writePack(next, folder, full)).rejects.toThrow("ENOSPC");
      expect(await readFile(path.join(folder, "manifest.json"), "utf8")).toBe(before);
      expect(await readdir(parent)).toEqual(["tiny"]);
    }
  });

  test("that is interrupted the first time leaves no folder", async () => {
    const parent = await emptyFolder();
    const write = () => Promise.reject(new Error("disk gone"));
    await expect(
      writePack(await assemblePack(facts, labels, shards), path.join(parent, "tiny"), write),
    ).rejects.toThrow("disk gone");
    expect(await readdir(parent)).toEqual([]);
  });
});

describe("a pack may replace", () => {
  test("nothing, an empty folder and a pack of the same file; a pack of another file with --force only", async () => {
    const folder = path.join(await emptyFolder(), "tiny");
    await requireReplaceable(folder, "1".repeat(64), false);
    await mkdir(folder);
    await requireReplaceable(folder, "1".repeat(64), false);
    await writePack(await assemblePack(facts, labels, shards), folder);
    await requireReplaceable(folder, facts.source.sha256, false);
    await expect(requireReplaceable(folder, "1".repeat(64), false)).rejects.toThrow(
      /holds the pack tiny .*, made from another file \(tiny\.onnx, .*; choose another --name or --out, or .* --force$/,
    );
    await requireReplaceable(folder, "1".repeat(64), true);
  });

  test("no other folder, not even with --force", async () => {
    const folder = await emptyFolder();
    await writeFile(path.join(folder, "photo.jpg"), "");
    const attempt = requireReplaceable(folder, "1".repeat(64), true);
    await expect(attempt).rejects.toThrow("is not empty and holds no pack, so it is not replaced");
    expect(await readdir(folder)).toEqual(["photo.jpg"]);
  });
});

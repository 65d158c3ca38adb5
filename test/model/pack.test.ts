import { createHash } from "node:crypto";
import { beforeEach, describe, expect, test } from "vitest";
import { ClassifierError } from "../../src/errors.ts";
import { maxModelJsonBytes } from "../../src/limits.ts";
import { canonicalJson, type Manifest, manifestVersion, maxLabelChars } from "../../src/model/manifest.ts";
import { readLiveVersion, readPack, readShard } from "../../src/model/pack.ts";
import { BucketSource } from "../../src/storage/bucket-source.ts";
import { MemoryBucket } from "../support/memory-bucket.ts";
import { seedTinyPack, tinyManifest, tinyName } from "../support/tiny-pack.ts";

let bucket: MemoryBucket;
let source: BucketSource;
let manifest: Manifest;
const labelled = (label: string) => [
  { id: "no", label: "no" },
  { id: "yes", label },
];
const key = (file: string) => `${tinyName}/${manifest.version}/${file}`;

beforeEach(async () => {
  bucket = new MemoryBucket();
  source = new BucketSource(bucket);
  manifest = await seedTinyPack(bucket);
});

async function unavailable(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(ClassifierError);
  expect((error as ClassifierError).reason.code).toBe("model_unavailable");
  return (error as ClassifierError).message;
}

describe("reading a pack", () => {
  test("returns the live version, the manifest, the labels and the shards", async () => {
    expect(await readLiveVersion(source, tinyName)).toBe(manifest.version);
    const pack = await readPack(source, tinyName, manifest.version);
    expect(pack.labels.map(({ label }) => label)).toEqual(["no", "yes"]);
    expect(pack.manifest).toEqual(manifest);
    const shard = await readShard(source, pack.manifest, manifest.shards[1]!);
    expect(shard).toEqual(new Uint8Array(101).fill(1));
    expect(source.reads).toBe(4);
  });

  test.each(["current.json", "manifest.json", "labels.json"])("names a missing %s", async (file) => {
    const missing = file === "current.json" ? `${tinyName}/${file}` : key(file);
    bucket.objects.delete(missing);
    const read = readLiveVersion(source, tinyName).then((version) => readPack(source, tinyName, version));
    expect(await unavailable(read)).toContain(`no object ${missing}`);
  });

  test("refuses a manifest of another format and names the format", async () => {
    bucket.json(key("manifest.json"), { ...manifest, format: 3 });
    expect(await unavailable(readPack(source, tinyName, manifest.version))).toMatch(
      /has format 3; this version reads formats 1 and 2/,
    );
  });

  test("refuses a manifest whose content does not match its version", async () => {
    bucket.json(key("manifest.json"), {
      ...manifest,
      preprocessing: { ...manifest.preprocessing, mean: [0, 0, 0] },
    });
    expect(await unavailable(readPack(source, tinyName, manifest.version))).toContain("hashes to");
  });

  test.each([
    ["an unknown resize", { preprocessing: { resize: "lanczos" } }, "preprocessing"],
    ["a shard over the limit", { shards: [{ file: "s", bytes: 2 ** 30 }] }, "shards.0"],
    ["a path for a file name", { labels: { file: "../labels.json" } }, "labels.file"],
    ["no shards", { shards: [] }, "shards"],
  ])("refuses %s, naming the field", async (_, change, field) => {
    bucket.json(key("manifest.json"), { ...manifest, ...change });
    expect(await unavailable(readPack(source, tinyName, manifest.version))).toContain(field);
  });

  test("refuses a manifest with labels over the size limit, without reading them", async () => {
    const bytes = maxModelJsonBytes + 1;
    const large = await seedTinyPack(bucket, {
      labels: { file: "labels.json", bytes, sha256: "0".repeat(64) },
    });
    const message = await unavailable(readPack(source, tinyName, large.version));
    expect(message).toContain(`labels.bytes: expected at most ${maxModelJsonBytes} bytes of labels`);
    expect(bucket.gets.filter((get) => get.endsWith("labels.json"))).toEqual([]);
  });

  test.each<[string, unknown[], RegExp]>([
    ["a missing label", [{ id: "no", label: "no" }], /has 1 labels; expected 2/],
    ["an extra label", ["a", "b", "c"].map((id) => ({ id, label: id })), /has 3 labels; expected 2/],
    ["a label that is too long", labelled("x".repeat(maxLabelChars + 1)), /1\.label: expected at most 256/],
    ["a label with a line break", labelled("yes\r\nX: y"), /1\.label: .* without control characters/],
    ["half of a surrogate pair", labelled("\ud83d"), /1\.label: .* well-formed Unicode/],
    ["an empty label", labelled(""), /1\.label: /],
  ])("refuses %s, naming the entry", async (_, labels, expected) => {
    const bytes = new TextEncoder().encode(JSON.stringify(labels));
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    const { version } = await seedTinyPack(bucket, {
      labels: { file: "labels.json", bytes: bytes.length, sha256 },
    });
    bucket.objects.set(`${tinyName}/${version}/labels.json`, bytes);
    expect(await unavailable(readPack(source, tinyName, version))).toMatch(expected);
  });

  test("refuses a changed shard, with both hashes", async () => {
    bucket.objects.set(key("shard-00.onnx"), new Uint8Array(100).fill(9));
    const message = await unavailable(readShard(source, manifest, manifest.shards[0]!));
    expect(message).toContain(manifest.shards[0]!.sha256);
    expect(message).toContain("shard-00.onnx has SHA-256");
  });

  test("refuses a shard that is too short or too long, with both sizes", async () => {
    bucket.objects.set(key("shard-00.onnx"), new Uint8Array(50));
    expect(await unavailable(readShard(source, manifest, manifest.shards[0]!))).toContain(
      "50 bytes; expected 100",
    );
    bucket.objects.set(key("shard-00.onnx"), new Uint8Array(500));
    expect(await unavailable(readShard(source, manifest, manifest.shards[0]!))).toContain("500 bytes");
  });

  test("reports a failing bucket and keeps the cause for the log", async () => {
    bucket.beforeGet = async () =>
      Promise.reject(new Error("get: We encountered an internal error. (10001)"));
    const error = await readLiveVersion(source, tinyName).catch((e: unknown) => e as ClassifierError);
    expect((error as ClassifierError).message).toContain("reading tiny/current.json from the bucket failed");
    expect((error as ClassifierError).cause).toMatchObject({ message: expect.stringContaining("10001") });
  });

  test("refuses garbage instead of JSON", async () => {
    bucket.objects.set(`${tinyName}/current.json`, Uint8Array.of(0xff, 0xfe, 0x00));
    expect(await unavailable(readLiveVersion(source, tinyName))).toContain("is not JSON");
  });
});

describe("the version of a manifest", () => {
  test("does not depend on the order of keys, but on all content", async () => {
    const reversed = Object.fromEntries(Object.entries(manifest).reverse());
    expect(await manifestVersion(reversed)).toBe(manifest.version);
    const other = await tinyManifest({ precision: "fp32" });
    expect(other.version).not.toBe(manifest.version);
  });

  test("canonical JSON sorts keys at every depth and keeps the order of arrays", () => {
    expect(canonicalJson({ b: [2, 1, { d: 0, c: null }], a: "é\n" })).toBe(
      '{"a":"é\\n","b":[2,1,{"c":null,"d":0}]}',
    );
  });
});

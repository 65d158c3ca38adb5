import { createHash } from "node:crypto";
import { beforeEach, describe, expect, test } from "vitest";
import { BucketSource, type ByteCache, CachedSource } from "../../src/storage/bucket-source.ts";
import { never } from "../support/deferred.ts";
import { MemoryBucket } from "../support/memory-bucket.ts";

const key = "m/0123456789abcdef/shard-00.onnx";
const content = new Uint8Array(1000).fill(7);
const expected = { bytes: content.length, sha256: createHash("sha256").update(content).digest("hex") };
const waitUntil = () => {};
let bucket: MemoryBucket;
let stored: Map<string, Uint8Array>;
let failures: string[];

const memory: ByteCache = {
  get: async (k) => stored.get(k),
  put: async (k, bytes) => void stored.set(k, bytes.slice()),
  delete: async (k) => void stored.delete(k),
};
const sourceWith = (cache: ByteCache, timeoutMs = 1000) =>
  new CachedSource({
    source: new BucketSource(bucket),
    cache,
    onFailure: (operation) => void failures.push(operation),
    waitUntil,
    timeoutMs,
  });

beforeEach(() => {
  bucket = new MemoryBucket();
  bucket.objects.set(key, content);
  stored = new Map();
  failures = [];
});

describe("CachedSource", () => {
  test("reads the bucket once, then the cache", async () => {
    const source = sourceWith(memory);
    for (let i = 0; i < 3; i++) expect(await source.readChecked(key, expected)).toEqual(content);
    expect(source.reads).toBe(1);
    expect(failures).toEqual([]);
  });

  test("replaces a corrupt cache entry with the object of the bucket", async () => {
    stored.set(key, new Uint8Array(1000).fill(8));
    const source = sourceWith(memory);
    expect(await source.readChecked(key, expected)).toEqual(content);
    expect(failures).toEqual(["check"]);
    expect(await source.readChecked(key, expected)).toEqual(content);
    expect(source.reads).toBe(1);
  });

  test("never caches a corrupt object of the bucket", async () => {
    bucket.objects.set(key, new Uint8Array(1000));
    await expect(sourceWith(memory).readChecked(key, expected)).rejects.toThrow("SHA-256");
    expect(stored.size).toBe(0);
  });

  test("a failing cache does not fail a read", async () => {
    const no = () => Promise.reject(new Error("cache down"));
    const source = sourceWith({ get: no, put: no, delete: no });
    expect(await source.readChecked(key, expected)).toEqual(content);
    await expect.poll(() => failures).toEqual(["get", "put"]);
  });

  test("a hanging cache delays one read, not every shard", async () => {
    const asked: string[] = [];
    const hang = (operation: string) => () => {
      asked.push(operation);
      return never<never>();
    };
    const cache = { get: hang("get"), put: hang("put"), delete: hang("delete") };
    const source = sourceWith(cache, 10);
    for (let i = 0; i < 6; i++) expect(await source.readChecked(key, expected)).toEqual(content);
    expect(asked).toEqual(["get"]);
    expect(failures).toEqual(["get"]);
  });

  test("a cache that hangs only on writes does not block reads for ever", async () => {
    const source = sourceWith({ ...memory, put: () => never() }, 10);
    for (let i = 0; i < 3; i++) expect(await source.readChecked(key, expected)).toEqual(content);
    expect(failures).toEqual(["put"]);
  });

  test("mutable objects are always read from the bucket", async () => {
    const source = sourceWith(memory);
    await source.read(key, 1000);
    await source.read(key, 1000);
    expect(source.reads).toBe(2);
    expect(stored.size).toBe(0);
  });
});

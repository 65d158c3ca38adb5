import { expect, test } from "vitest";
import type { ByteStore } from "../../src/cache/byte-stores.ts";
import { conditionsFor, SeenImages, validatorsIn } from "../../src/cache/seen-images.ts";

const sha256 = "ab".repeat(32);
const url = (n: number) => `https://images.example.com/${n}?token=secret`;

function memoryStore(): ByteStore & { entries: Map<string, Uint8Array> } {
  const entries = new Map<string, Uint8Array>();
  return {
    entries,
    get: async (key) => entries.get(key),
    put: async (key, bytes) => void entries.set(key, bytes),
  };
}

function seenImages(store: ByteStore, maxEntries = 10) {
  const failures: string[] = [];
  const onFailure = (operation: string) => failures.push(operation);
  return { seen: new SeenImages({ store, maxEntries, timeoutMs: 20, onFailure }), failures };
}

test("a fetched image is known again, in this isolate and in the next", async () => {
  const store = memoryStore();
  const { seen } = seenImages(store);
  expect(await seen.get(url(1))).toBeUndefined();
  await seen.put(url(1), { sha256, etag: '"a"' });
  expect(await seen.get(url(1))).toEqual({ sha256, etag: '"a"' });
  expect(await seenImages(store).seen.get(url(1))).toEqual({ sha256, etag: '"a"' });
  expect([...store.entries.keys()].join()).not.toContain("secret");
});

test("an image without a validator is not stored", async () => {
  const store = memoryStore();
  await seenImages(store).seen.put(url(1), { sha256 });
  expect(store.entries.size).toBe(0);
});

test("an isolate keeps the most recently used images", async () => {
  const { seen } = seenImages({ get: async () => undefined, put: async () => {} }, 2);
  for (const n of [1, 2]) await seen.put(url(n), { sha256, etag: `"${n}"` });
  await seen.get(url(1));
  await seen.put(url(3), { sha256, etag: '"3"' });
  expect(await seen.get(url(1))).toBeDefined();
  expect(await seen.get(url(2))).toBeUndefined();
});

test("a store that fails, hangs or holds garbage is skipped and reported", async () => {
  const fails = seenImages({
    get: () => Promise.reject(new Error("down")),
    put: () => Promise.reject(new Error("down")),
  });
  await fails.seen.put(url(1), { sha256, etag: '"a"' });
  expect(await fails.seen.get(url(2))).toBeUndefined();
  expect(fails.failures).toEqual(["put", "get"]);
  const hangs = seenImages({ get: () => new Promise(() => {}), put: async () => {} });
  expect(await hangs.seen.get(url(1))).toBeUndefined();
  expect(hangs.failures).toEqual(["get"]);
  const garbage = seenImages({
    get: async () => new TextEncoder().encode('{"sha256":"no"}'),
    put: async () => {},
  });
  expect(await garbage.seen.get(url(1))).toBeUndefined();
  expect(garbage.failures).toEqual(["get"]);
});

test.each([
  { sha256, etag: "a\r\nX-Evil: 1" },
  { sha256, etag: `"${"a".repeat(300)}"` },
  { sha256, lastModified: "then\r\nX-Evil: 1" },
  { sha256, lastModified: "Ünday" },
  { sha256: `${sha256}00`, etag: '"a"' },
])("%j in the store never becomes a header", async (entry) => {
  const { seen, failures } = seenImages({
    get: async () => new TextEncoder().encode(JSON.stringify(entry)),
    put: async () => {},
  });
  expect(await seen.get(url(1))).toBeUndefined();
  expect(failures).toEqual(["get"]);
});

test.each([
  [{ ETag: '"a"', "Last-Modified": "then" }, { etag: '"a"' }],
  [{ "Last-Modified": "Tue, 24 Nov 2026 07:00:00 GMT" }, { lastModified: "Tue, 24 Nov 2026 07:00:00 GMT" }],
  [{ ETag: 'W/"a"', "Last-Modified": "then" }, {}],
  [{ ETag: "a" }, {}],
  [{ ETag: `"${"a".repeat(300)}"` }, {}],
  [{}, {}],
])("the headers %j have the validators %j", (headers, validators) => {
  expect(validatorsIn(new Headers(headers as Record<string, string>))).toEqual(validators);
});

test("the condition is the ETag, otherwise the date", () => {
  expect(conditionsFor({ sha256, etag: '"a"' })).toEqual({ "If-None-Match": '"a"' });
  expect(conditionsFor({ sha256, lastModified: "then" })).toEqual({ "If-Modified-Since": "then" });
  expect(conditionsFor(undefined)).toEqual({});
});

import * as fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { CacheApiStore } from "../../src/cache/byte-stores.ts";
import {
  type CachedResult,
  type CacheTier,
  cacheKey,
  decodeResult,
  encodeResult,
  MemoryTier,
  resultBytes,
  StoredTier,
  TieredCache,
} from "../../src/cache/result-cache.ts";
import { never } from "../support/deferred.ts";

const result: CachedResult = {
  width: 640,
  height: 480,
  logits: Float32Array.of(1.5, -2.25, Number.EPSILON),
  features: Float32Array.of(0, 3.75),
};
const key = cacheKey("a".repeat(64), "m", "0123456789abcdef");

describe("an encoded result", () => {
  test("decodes bit for bit", async () => {
    expect(await decodeResult(await encodeResult(result))).toEqual(result);
  });

  test("with any byte changed, removed or added is not a result", async () => {
    const bytes = await encodeResult(result);
    for (let i = 0; i < bytes.length; i++) {
      const changed = bytes.slice();
      changed[i] = changed[i]! ^ 0x10;
      expect(await decodeResult(changed), `byte ${i} changed`).toBeUndefined();
      expect(await decodeResult(bytes.slice(0, i)), `cut at ${i}`).toBeUndefined();
    }
    expect(await decodeResult(Uint8Array.of(...bytes, 0))).toBeUndefined();
  });

  test("is never decoded from garbage", async () => {
    const garbage = fc.uint8Array({ maxLength: 200 });
    await fc.assert(
      fc.asyncProperty(garbage, async (bytes) => {
        expect(await decodeResult(bytes)).toBeUndefined();
      }),
    );
  });
});

describe("MemoryTier", () => {
  test("removes the least recently used results first and never exceeds its bytes", async () => {
    const probe = new MemoryTier(1e6);
    await probe.put("0", result);
    const tier = new MemoryTier(3 * probe.bytes);
    for (const name of ["0", "1", "2"]) await tier.put(name, result);
    await tier.get("0");
    await tier.put("3", result);
    expect(await tier.get("1")).toBeUndefined();
    expect(await tier.get("0")).toBe(result);
    for (let i = 0; i < 100; i++) {
      await tier.put(String(i % 10), result);
      expect(tier.bytes).toBeLessThanOrEqual(3 * probe.bytes);
    }
    expect(tier.size).toBe(3);
  });

  test("ignores a result that is larger than itself", async () => {
    const tier = new MemoryTier(resultBytes(result));
    await tier.put(key, result);
    expect(tier.size).toBe(0);
    expect(tier.bytes).toBe(0);
  });
});

function memoryOf(name: string): CacheTier & { stored: Map<string, CachedResult> } {
  const stored = new Map<string, CachedResult>();
  return {
    name,
    stored,
    get: async (k) => stored.get(k),
    put: async (k, value) => void stored.set(k, value),
  };
}

describe("TieredCache", () => {
  test("fills the near tiers after a hit in a far one", async () => {
    const [near, far] = [memoryOf("near"), memoryOf("far")];
    far.stored.set(key, result);
    const cache = new TieredCache([near, far], () => expect.unreachable());
    expect(await cache.get(key)).toEqual({ result, tier: "far" });
    expect(near.stored.get(key)).toBe(result);
    expect(await cache.get(key)).toEqual({ result, tier: "near" });
  });

  test("reports and skips a failing tier, on read and on write", async () => {
    const broken: CacheTier = {
      name: "broken",
      get: async () => Promise.reject(new Error("read")),
      put: async () => Promise.reject(new Error("write")),
    };
    const far = memoryOf("far");
    const failures: string[] = [];
    const cache = new TieredCache(
      [broken, far],
      (tier, operation) => void failures.push(`${tier} ${operation}`),
    );
    await cache.put(key, result);
    expect(await cache.get(key)).toEqual({ result, tier: "far" });
    expect(await cache.get("other")).toBeUndefined();
    expect(failures).toEqual(["broken put", "broken get", "broken put", "broken get"]);
  });
});

test("a hanging tier is skipped after the timeout and not called again for a while", async () => {
  const hanging: CacheTier = { name: "hanging", get: () => never(), put: () => never() };
  const far = memoryOf("far");
  far.stored.set(key, result);
  const failures: string[] = [];
  const cache = new TieredCache(
    [hanging, far],
    (tier, operation) => void failures.push(`${tier} ${operation}`),
    10,
  );
  expect(await cache.get(key)).toEqual({ result, tier: "far" });
  expect(failures).toEqual(["hanging get"]);
  expect(await cache.get(key)).toEqual({ result, tier: "far" });
  expect(failures).toEqual(["hanging get"]);
});

test("an entry that is not a result of the model is reported, skipped and replaced", async () => {
  const [near, far] = [memoryOf("near"), memoryOf("far")];
  near.stored.set(key, { ...result, logits: new Float32Array(4) });
  far.stored.set(key, result);
  const reasons: string[] = [];
  const cache = new TieredCache([near, far], (_, __, error) => void reasons.push(String(error)));
  const holds = ({ logits }: CachedResult) => logits.length === result.logits.length;
  expect(await cache.get(key, holds)).toEqual({ result, tier: "far" });
  expect(near.stored.get(key)).toBe(result);
  expect(reasons).toEqual([`the entry ${key} is not a result of this model`]);
  far.stored.set("other", { ...result, logits: new Float32Array(0) });
  expect(await cache.get("other", holds)).toBeUndefined();
  expect(near.stored.has("other")).toBe(false);
});

describe("the Cache API", () => {
  function fakeCache() {
    const stored = new Map<string, Response>();
    const cache = {
      match: vi.fn(async (url: string) => stored.get(url)?.clone()),
      put: vi.fn(async (url: string, response: Response) => void stored.set(url, response)),
      delete: vi.fn(async (url: string) => stored.delete(url)),
    };
    return { ...cache, stored, cache: cache as unknown as Cache };
  }

  test("stores a result under a reserved path of the Worker's host with a lifetime, and returns it", async () => {
    const { cache, stored } = fakeCache();
    const store = new CacheApiStore({ cache, ttlSeconds: 60, host: () => "classify.example.com" });
    const tier = new StoredTier("cache-api", store);
    expect(await tier.get(key)).toBeUndefined();
    await tier.put(key, result);
    const [url, response] = [...stored][0]!;
    expect(url).toBe(`https://classify.example.com/v1/cache/m/0123456789abcdef/${"a".repeat(64)}`);
    expect(response.headers.get("Cache-Control")).toContain("max-age=60");
    expect(await tier.get(key)).toEqual(result);
    await store.delete(key);
    expect(stored.size).toBe(0);
  });

  test("is not called while no host is known, and is as soon as there is one", async () => {
    const fake = fakeCache();
    let host: string | undefined;
    const store = new CacheApiStore({ cache: fake.cache, ttlSeconds: 60, host: () => host });
    await store.put(key, Uint8Array.of(1));
    expect(await store.get(key)).toBeUndefined();
    await store.delete(key);
    for (const { mock } of [fake.match, fake.put, fake.delete]) expect(mock.calls).toEqual([]);
    host = "classify.example.com";
    await store.put(key, Uint8Array.of(1));
    expect(await store.get(key)).toEqual(Uint8Array.of(1));
  });

  test("reports a foreign entry as a failure, never as a result", async () => {
    const cache = { match: async () => new Response("<html>") } as unknown as Cache;
    const store = new CacheApiStore({ cache, ttlSeconds: 60, host: () => "classify.example.com" });
    await expect(new StoredTier("cache-api", store).get(key)).rejects.toThrow("is not a result");
  });
});

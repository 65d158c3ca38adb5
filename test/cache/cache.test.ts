import * as fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { CacheApiTier } from "../../src/cache/cache-api-tier.ts";
import { MemoryTier } from "../../src/cache/memory-tier.ts";
import {
  type CachedResult,
  cacheKey,
  decodeResult,
  encodeResult,
  resultBytes,
} from "../../src/cache/result.ts";
import { type CacheTier, TieredCache } from "../../src/cache/tiers.ts";
import { never } from "../support/deferred.ts";

const result: CachedResult = {
  width: 640,
  height: 480,
  logits: Float32Array.of(1.5, -2.25, Number.EPSILON),
  features: Float32Array.of(0, 3.75),
};
const key = cacheKey("a".repeat(64), "m", "0123456789abcdef");

describe("a stored result", () => {
  test("comes back bit for bit", async () => {
    expect(await decodeResult(await encodeResult(result))).toEqual(result);
  });

  test("with any byte changed, cut off or added is no result", async () => {
    const bytes = await encodeResult(result);
    for (let i = 0; i < bytes.length; i++) {
      const changed = bytes.slice();
      changed[i] = changed[i]! ^ 0x10;
      expect(await decodeResult(changed), `byte ${i} changed`).toBeUndefined();
      expect(await decodeResult(bytes.slice(0, i)), `cut at ${i}`).toBeUndefined();
    }
    expect(await decodeResult(Uint8Array.of(...bytes, 0))).toBeUndefined();
  });

  test("garbage is no result", async () => {
    const garbage = fc.uint8Array({ maxLength: 200 });
    await fc.assert(
      fc.asyncProperty(garbage, async (bytes) => {
        expect(await decodeResult(bytes)).toBeUndefined();
      }),
    );
  });
});

describe("MemoryTier", () => {
  const entry = async (tier: MemoryTier, name: string) => tier.get(name);

  test("forgets the least recently used results first, and never exceeds its bytes", async () => {
    const probe = new MemoryTier(1e6);
    await probe.put("0", result);
    const tier = new MemoryTier(3 * probe.bytes);
    for (const name of ["0", "1", "2"]) await tier.put(name, result);
    await entry(tier, "0");
    await tier.put("3", result);
    expect(await entry(tier, "1")).toBeUndefined();
    expect(await entry(tier, "0")).toBe(result);
    for (let i = 0; i < 100; i++) {
      await tier.put(String(i % 10), result);
      expect(tier.bytes).toBeLessThanOrEqual(3 * probe.bytes);
    }
    expect(tier.size).toBe(3);
  });

  test("does not take what is larger than itself", async () => {
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
  test("a hit in a far tier fills the near ones", async () => {
    const [near, far] = [memoryOf("near"), memoryOf("far")];
    far.stored.set(key, result);
    const cache = new TieredCache([near, far], () => expect.unreachable());
    expect(await cache.get(key)).toEqual({ result, tier: "far" });
    expect(near.stored.get(key)).toBe(result);
    expect(await cache.get(key)).toEqual({ result, tier: "near" });
  });

  test("a tier that fails is reported and passed over, on read and on write", async () => {
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

test("a tier that hangs is passed over in bounded time", async () => {
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
  // Once is enough: for a while it is not asked again.
  expect(failures).toEqual(["hanging get"]);
  expect(await cache.get(key)).toEqual({ result, tier: "far" });
  expect(failures).toEqual(["hanging get"]);
});

test("what is not a result of the model is reported, passed over, and replaced by what is", async () => {
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

describe("CacheApiTier", () => {
  test("stores under a URL of its own, with a lifetime, and reads it back", async () => {
    const stored = new Map<string, Response>();
    const cache = {
      match: vi.fn(async (url: string) => stored.get(url)?.clone()),
      put: vi.fn(async (url: string, response: Response) => void stored.set(url, response)),
    };
    const tier = new CacheApiTier(cache as unknown as ConstructorParameters<typeof CacheApiTier>[0], 60);
    expect(await tier.get(key)).toBeUndefined();
    await tier.put(key, result);
    const [url, response] = [...stored][0]!;
    expect(new URL(url).pathname).toBe(`/m/0123456789abcdef/${"a".repeat(64)}`);
    expect(response.headers.get("Cache-Control")).toContain("max-age=60");
    expect(await tier.get(key)).toEqual(result);
  });

  test("an entry that is not ours is a failure, never a result", async () => {
    const cache = { match: async () => new Response("<html>"), put: async () => {} };
    const tier = new CacheApiTier(cache as unknown as ConstructorParameters<typeof CacheApiTier>[0], 60);
    await expect(tier.get(key)).rejects.toThrow("is not a result");
  });
});

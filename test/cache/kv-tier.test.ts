import { describe, expect, test } from "vitest";
import { KvStore, type ResultNamespace } from "../../src/cache/byte-stores.ts";
import { MemoryTier, StoredTier, TieredCache } from "../../src/cache/result-cache.ts";

const result = { width: 9, height: 8, logits: Float32Array.of(1, 2), features: Float32Array.of(3) };

class FakeNamespace implements ResultNamespace {
  readonly stored = new Map<string, { value: Uint8Array; ttl: number }>();
  async get(key: string) {
    return this.stored.get(key)?.value.slice().buffer ?? null;
  }
  async put(key: string, value: Uint8Array, { expirationTtl }: { expirationTtl: number }) {
    this.stored.set(key, { value, ttl: expirationTtl });
  }
}

const tierOf = (namespace: ResultNamespace, ttlSeconds: number) =>
  new StoredTier("kv", new KvStore(namespace, ttlSeconds));

describe("Workers KV", () => {
  test("returns a stored result and sets its lifetime", async () => {
    const namespace = new FakeNamespace();
    const tier = tierOf(namespace, 3600);
    expect(await tier.get("a")).toBeUndefined();
    await tier.put("a", result);
    expect(await tier.get("a")).toEqual(result);
    expect(namespace.stored.get("a")?.ttl).toBe(3600);
  });

  test("reports an entry that is not a result as a failure", async () => {
    const namespace = new FakeNamespace();
    const tier = tierOf(namespace, 60);
    await tier.put("a", result);
    namespace.stored.get("a")!.value[20]! ^= 1;
    await expect(tier.get("a")).rejects.toThrow("not a result");
  });

  test("is skipped when it fails, and the failures are reported", async () => {
    const fail = async () => {
      throw new Error("429 from KV");
    };
    const failures: string[] = [];
    const tiers = [new MemoryTier(1000), tierOf({ get: fail, put: fail }, 60)];
    const cache = new TieredCache(tiers, (tier, operation) => failures.push(`${tier} ${operation}`));
    expect(await cache.get("a")).toBeUndefined();
    await cache.put("a", result);
    expect(await cache.get("a")).toMatchObject({ tier: "memory" });
    expect(failures).toEqual(["kv get", "kv put"]);
  });
});

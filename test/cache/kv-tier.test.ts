import { describe, expect, test } from "vitest";
import type { ResultNamespace } from "../../src/cache/kv-tier.ts";
import { KvTier } from "../../src/cache/kv-tier.ts";
import { MemoryTier } from "../../src/cache/memory-tier.ts";
import { TieredCache } from "../../src/cache/tiers.ts";

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

describe("KvTier", () => {
  test("gives back what was put, kept for the time asked", async () => {
    const namespace = new FakeNamespace();
    const tier = new KvTier(namespace, 3600);
    expect(await tier.get("a")).toBeUndefined();
    await tier.put("a", result);
    expect(await tier.get("a")).toEqual(result);
    expect(namespace.stored.get("a")?.ttl).toBe(3600);
  });

  test("what is not a result is an error, not an answer", async () => {
    const namespace = new FakeNamespace();
    const tier = new KvTier(namespace, 60);
    await tier.put("a", result);
    namespace.stored.get("a")!.value[20]! ^= 1;
    await expect(tier.get("a")).rejects.toThrow("not a result");
  });

  test("a namespace that fails is passed over, and the failures are told", async () => {
    const fail = async () => {
      throw new Error("429 from KV");
    };
    const failures: string[] = [];
    const tiers = [new MemoryTier(1000), new KvTier({ get: fail, put: fail }, 60)];
    const cache = new TieredCache(tiers, (tier, operation) => failures.push(`${tier} ${operation}`));
    expect(await cache.get("a")).toBeUndefined();
    await cache.put("a", result);
    expect(await cache.get("a")).toMatchObject({ tier: "memory" });
    expect(failures).toEqual(["kv get", "kv put"]);
  });
});

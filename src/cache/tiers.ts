/**
 * A cascade of cache tiers behind one interface: the nearest first, a hit further away fills those before it.
 * A tier that fails is reported and passed over: a cache never fails a request.
 */
import { cacheTimeoutMs } from "../limits.ts";
import { settleWithin, timedOut } from "../timeout.ts";
import type { CachedResult } from "./result.ts";

/** May reject; the cascade copes. */
export interface CacheTier {
  readonly name: string;
  get(key: string): Promise<CachedResult | undefined>;
  put(key: string, result: CachedResult): Promise<void>;
}

export type CacheFailure = (tier: string, operation: "get" | "put", error: unknown) => void;

export class TieredCache {
  readonly #tiers: readonly CacheTier[];
  readonly #onFailure: CacheFailure;
  readonly #timeoutMs: number;

  /** @param timeoutMs milliseconds after which a tier's answer is no longer waited for */
  constructor(tiers: readonly CacheTier[], onFailure: CacheFailure, timeoutMs = cacheTimeoutMs) {
    this.#tiers = tiers;
    this.#onFailure = onFailure;
    this.#timeoutMs = timeoutMs;
  }

  /** The result and the tier that had it. Never rejects. */
  async get(key: string): Promise<{ result: CachedResult; tier: string } | undefined> {
    for (const [i, tier] of this.#tiers.entries()) {
      const result = await this.#attempt(tier, "get", () => tier.get(key));
      if (!result) continue;
      await this.#putAll(this.#tiers.slice(0, i), key, result);
      return { result, tier: tier.name };
    }
    return undefined;
  }

  /** Never rejects. */
  async put(key: string, result: CachedResult): Promise<void> {
    await this.#putAll(this.#tiers, key, result);
  }

  async #putAll(tiers: readonly CacheTier[], key: string, result: CachedResult): Promise<void> {
    await Promise.all(tiers.map((tier) => this.#attempt(tier, "put", () => tier.put(key, result))));
  }

  async #attempt<T>(
    tier: CacheTier,
    operation: "get" | "put",
    action: () => Promise<T>,
  ): Promise<T | undefined> {
    try {
      const outcome = await settleWithin(action(), this.#timeoutMs);
      if (outcome !== timedOut) return outcome;
      this.#onFailure(tier.name, operation, `no answer within ${this.#timeoutMs} ms`);
      return undefined;
    } catch (error) {
      this.#onFailure(tier.name, operation, error);
      return undefined;
    }
  }
}

/**
 * A cascade of cache tiers behind one interface: the nearest first, a hit further away fills those before it.
 * A tier that fails is reported and passed over, one that hangs is then left alone for a while: a cache never fails a
 * request.
 */
import { CircuitBreaker } from "../concurrency/circuit-breaker.ts";
import { cacheRestMs, cacheTimeoutMs } from "../limits.ts";
import type { CachedResult } from "./result.ts";

/** May reject; the cascade copes. */
export interface CacheTier {
  readonly name: string;
  get(key: string): Promise<CachedResult | undefined>;
  put(key: string, result: CachedResult): Promise<void>;
}

interface GuardedTier {
  readonly tier: CacheTier;
  readonly breaker: CircuitBreaker;
}

export type CacheFailure = (tier: string, operation: string, error: unknown) => void;

export class TieredCache {
  readonly #tiers: readonly GuardedTier[];
  readonly #onFailure: CacheFailure;

  /** @param timeoutMs milliseconds after which a tier's answer is no longer waited for */
  constructor(tiers: readonly CacheTier[], onFailure: CacheFailure, timeoutMs = cacheTimeoutMs) {
    const restMs = cacheRestMs;
    this.#tiers = tiers.map((tier) => {
      const report = (operation: string, error: unknown) => onFailure(tier.name, operation, error);
      return { tier, breaker: new CircuitBreaker({ timeoutMs, restMs, onFailure: report }) };
    });
    this.#onFailure = onFailure;
  }

  /**
   * The result and the tier that had it. Never rejects.
   * @param holds whether a stored value may be the result: where it says no, the tier counts as not having it
   */
  async get(
    key: string,
    holds: (result: CachedResult) => boolean = () => true,
  ): Promise<{ result: CachedResult; tier: string } | undefined> {
    for (const [i, { tier, breaker }] of this.#tiers.entries()) {
      const result = await breaker.attempt("get", () => tier.get(key));
      if (!result) continue;
      if (!holds(result)) {
        this.#onFailure(tier.name, "get", `the entry ${key} is not a result of this model`);
        continue;
      }
      await this.#putAll(this.#tiers.slice(0, i), key, result);
      return { result, tier: tier.name };
    }
    return undefined;
  }

  /** Never rejects. */
  async put(key: string, result: CachedResult): Promise<void> {
    await this.#putAll(this.#tiers, key, result);
  }

  async #putAll(tiers: readonly GuardedTier[], key: string, result: CachedResult): Promise<void> {
    const puts = tiers.map(({ tier, breaker }) => breaker.attempt("put", () => tier.put(key, result)));
    await Promise.all(puts);
  }
}

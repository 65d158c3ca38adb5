/**
 * A cascade of cache tiers behind one interface: the nearest first, a hit further away fills those before it.
 * A tier that fails is reported and passed over, one that hangs is then left alone for a while: a cache never fails a
 * request.
 */
import { cacheRestMs, cacheTimeoutMs } from "../limits.ts";
import { Patience } from "../patience.ts";
import type { CachedResult } from "./result.ts";

/** May reject; the cascade copes. */
export interface CacheTier {
  readonly name: string;
  get(key: string): Promise<CachedResult | undefined>;
  put(key: string, result: CachedResult): Promise<void>;
}

interface PatientTier {
  readonly tier: CacheTier;
  readonly patience: Patience;
}

export type CacheFailure = (tier: string, operation: "get" | "put", error: unknown) => void;

export class TieredCache {
  readonly #tiers: readonly PatientTier[];
  readonly #onFailure: CacheFailure;

  /** @param timeoutMs milliseconds after which a tier's answer is no longer waited for */
  constructor(tiers: readonly CacheTier[], onFailure: CacheFailure, timeoutMs = cacheTimeoutMs) {
    const restMs = cacheRestMs;
    this.#tiers = tiers.map((tier) => ({ tier, patience: new Patience({ timeoutMs, restMs }) }));
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
    for (const [i, { tier, patience }] of this.#tiers.entries()) {
      const result = await this.#attempt(tier, "get", () => patience.attempt(() => tier.get(key)));
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

  async #putAll(tiers: readonly PatientTier[], key: string, result: CachedResult): Promise<void> {
    const puts = tiers.map(({ tier, patience }) =>
      this.#attempt(tier, "put", () => patience.attempt(() => tier.put(key, result))),
    );
    await Promise.all(puts);
  }

  async #attempt<T>(
    tier: CacheTier,
    operation: "get" | "put",
    action: () => Promise<T>,
  ): Promise<T | undefined> {
    try {
      return await action();
    } catch (error) {
      this.#onFailure(tier.name, operation, error);
      return undefined;
    }
  }
}

/**
 * The result cache: tiers from the nearest to the farthest. A hit in a far tier fills the nearer ones. A tier that fails is
 * reported and skipped, and a tier that hangs is not called again for a while, so a cache never fails a request.
 */
import { CircuitBreaker } from "../concurrency/circuit-breaker.ts";
import type { ByteStore } from "./byte-stores.ts";
import { Lru } from "./lru.ts";
import { type CachedResult, decodeResult, encodeResult, resultBytes } from "./result.ts";

/** One tier. Its methods may reject. */
export interface CacheTier {
  readonly name: string;
  get(key: string): Promise<CachedResult | undefined>;
  put(key: string, result: CachedResult): Promise<void>;
}

/** V8's cost of one entry besides its numbers and key: a Map slot, an object, two typed arrays with their buffers. */
const entryOverheadBytes = 400;

/** The memory of the isolate, bounded by bytes. The least recently used results are removed first. */
export class MemoryTier implements CacheTier {
  readonly name = "memory";
  readonly #results: Lru<CachedResult>;
  readonly #maxBytes: number;

  constructor(maxBytes: number) {
    this.#results = new Lru(maxBytes);
    this.#maxBytes = maxBytes;
  }

  /** Bytes of all results, their overhead included. */
  get bytes(): number {
    return this.#results.weight;
  }

  /** Number of results. */
  get size(): number {
    return this.#results.size;
  }

  async get(key: string): Promise<CachedResult | undefined> {
    return this.#results.get(key);
  }

  async put(key: string, result: CachedResult): Promise<void> {
    const bytes = resultBytes(result) + 2 * key.length + entryOverheadBytes;
    if (bytes <= this.#maxBytes) this.#results.put(key, result, bytes);
  }
}

/** Results in a store of bytes. Keys name image and model version, so an entry is never stale. */
export class StoredTier implements CacheTier {
  readonly name: string;
  readonly #store: ByteStore;

  constructor(name: string, store: ByteStore) {
    this.name = name;
    this.#store = store;
  }

  async get(key: string): Promise<CachedResult | undefined> {
    const bytes = await this.#store.get(key);
    if (!bytes) return undefined;
    const result = await decodeResult(bytes);
    if (!result) throw new Error(`the entry ${key} is not a result`);
    return result;
  }

  async put(key: string, result: CachedResult): Promise<void> {
    await this.#store.put(key, await encodeResult(result));
  }
}

/** Receives the failures of all tiers. */
export type CacheFailure = (tier: string, operation: string, error: unknown) => void;

/** All tiers behind one interface. */
export class TieredCache {
  readonly #tiers: readonly CacheTier[];
  readonly #breakers: readonly CircuitBreaker[];
  readonly #onFailure: CacheFailure;

  /**
   * @param tiers nearest first
   * @param timeoutMs milliseconds that one call to a tier may take; default: that of CircuitBreaker
   */
  constructor(tiers: readonly CacheTier[], onFailure: CacheFailure, timeoutMs?: number) {
    this.#tiers = tiers;
    this.#breakers = tiers.map(
      ({ name }) => new CircuitBreaker({ timeoutMs, onFailure: onFailure.bind(undefined, name) }),
    );
    this.#onFailure = onFailure;
  }

  /**
   * Returns the result and the name of the tier that had it. Never rejects.
   * @param isValid whether a stored value can be the result; a tier with another value is reported and skipped
   */
  async get(
    key: string,
    isValid: (result: CachedResult) => boolean = () => true,
  ): Promise<{ result: CachedResult; tier: string } | undefined> {
    for (const [i, tier] of this.#tiers.entries()) {
      const result = await this.#breakers[i]!.attempt("get", () => tier.get(key));
      if (!result) continue;
      if (!isValid(result)) {
        this.#onFailure(tier.name, "get", `the entry ${key} is not a result of this model`);
        continue;
      }
      await this.#putInto(this.#tiers.slice(0, i), key, result);
      return { result, tier: tier.name };
    }
    return undefined;
  }

  /** Stores a result in every tier. Never rejects. */
  async put(key: string, result: CachedResult): Promise<void> {
    await this.#putInto(this.#tiers, key, result);
  }

  async #putInto(tiers: readonly CacheTier[], key: string, result: CachedResult): Promise<void> {
    await Promise.all(tiers.map((tier, i) => this.#breakers[i]!.attempt("put", () => tier.put(key, result))));
  }
}

/**
 * A cache in front of the bucket, for immutable objects. Cached bytes are checked like those of the bucket; an entry that
 * fails the check is deleted and read from the bucket. A failing or hanging cache never fails a read.
 */
import { CircuitBreaker, type CircuitBreakerOptions } from "../concurrency/circuit-breaker.ts";
import type { WaitUntil } from "../concurrency/single-flight.ts";
import { check, type Expected, type PackSource } from "./bucket-source.ts";

/** A cache of bytes. Its methods may reject. */
export interface ByteCache {
  get(key: string): Promise<Uint8Array | undefined>;
  put(key: string, bytes: Uint8Array): Promise<void>;
  delete(key: string): Promise<void>;
}

/** The bucket, the cache in front of it, and the limits of each call to the cache. */
export interface CachedSourceOptions extends CircuitBreakerOptions {
  readonly source: PackSource;
  readonly cache: ByteCache;
  readonly waitUntil: WaitUntil;
}

/** A bucket behind a cache. */
export class CachedSource implements PackSource {
  readonly #options: CachedSourceOptions;
  readonly #breaker: CircuitBreaker;
  /** The write in progress. The next write waits for it, so that copies do not pile up in memory. */
  #writing: Promise<unknown> = Promise.resolve();

  constructor(options: CachedSourceOptions) {
    this.#options = options;
    this.#breaker = new CircuitBreaker(options);
  }

  get reads(): number {
    return this.#options.source.reads;
  }

  read(key: string, maxBytes: number): Promise<Uint8Array> {
    return this.#options.source.read(key, maxBytes);
  }

  readIfThere(key: string, maxBytes: number): Promise<Uint8Array | undefined> {
    return this.#options.source.readIfThere(key, maxBytes);
  }

  async readChecked(key: string, expected: Expected): Promise<Uint8Array> {
    const cached = await this.#cached(key, expected);
    if (cached) return cached;
    await this.#writing;
    const { source, cache, waitUntil } = this.#options;
    const bytes = await source.readChecked(key, expected);
    this.#writing = this.#breaker.attempt("put", () => cache.put(key, bytes));
    waitUntil(this.#writing);
    return bytes;
  }

  async #cached(key: string, expected: Expected): Promise<Uint8Array | undefined> {
    const { cache, onFailure } = this.#options;
    const bytes = await this.#breaker.attempt("get", () => cache.get(key));
    if (!bytes) return undefined;
    try {
      await check(key, bytes, expected);
      return bytes;
    } catch (error) {
      onFailure("check", error);
      await this.#breaker.attempt("delete", () => cache.delete(key));
      return undefined;
    }
  }
}

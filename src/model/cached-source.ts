/**
 * A cache before the bucket, for the objects whose content never changes. What it returns is checked like what the bucket
 * returns; what does not hold is dropped and read from the bucket. A cache that fails or hangs fails nothing.
 */
import { cacheRestMs, cacheTimeoutMs } from "../limits.ts";
import { Patience } from "../patience.ts";
import type { Anchor } from "../single-flight.ts";
import { check, type Expected, type PackSource } from "./source.ts";

/** May reject. */
export interface ByteCache {
  get(key: string): Promise<Uint8Array | undefined>;
  put(key: string, bytes: Uint8Array): Promise<void>;
  delete(key: string): Promise<void>;
}

export class CachedSource implements PackSource {
  readonly #source: PackSource;
  readonly #cache: ByteCache;
  readonly #onFailure: (operation: string, error: unknown) => void;
  readonly #patience: Patience;
  /** The write under way: the next object waits for it, so that they do not pile up in memory. */
  #writing: Promise<unknown> = Promise.resolve();

  /** @param timeoutMs milliseconds that the cache has for one operation */
  constructor(
    source: PackSource,
    cache: ByteCache,
    onFailure: (operation: string, error: unknown) => void,
    timeoutMs = cacheTimeoutMs,
  ) {
    this.#patience = new Patience({ timeoutMs, restMs: cacheRestMs });
    this.#source = source;
    this.#cache = cache;
    this.#onFailure = onFailure;
  }

  get reads(): number {
    return this.#source.reads;
  }

  read(key: string, maxBytes: number): Promise<Uint8Array> {
    return this.#source.read(key, maxBytes);
  }

  readIfThere(key: string, maxBytes: number): Promise<Uint8Array | undefined> {
    return this.#source.readIfThere(key, maxBytes);
  }

  async readChecked(key: string, expected: Expected, anchor: Anchor): Promise<Uint8Array> {
    const cached = await this.#cached(key, expected);
    if (cached) return cached;
    await this.#writing;
    const bytes = await this.#source.readChecked(key, expected, anchor);
    this.#writing = this.#attempt("put", () => this.#cache.put(key, bytes));
    anchor(this.#writing);
    return bytes;
  }

  async #cached(key: string, expected: Expected): Promise<Uint8Array | undefined> {
    const bytes = await this.#attempt("get", () => this.#cache.get(key));
    if (!bytes) return undefined;
    const right = await check(key, bytes, expected).then(
      () => true,
      (error: unknown) => {
        this.#onFailure("check", error);
        return false;
      },
    );
    if (right) return bytes;
    await this.#attempt("delete", () => this.#cache.delete(key));
    return undefined;
  }

  async #attempt<T>(operation: string, action: () => Promise<T>): Promise<T | undefined> {
    try {
      return await this.#patience.attempt(action);
    } catch (error) {
      this.#onFailure(operation, error);
      return undefined;
    }
  }
}

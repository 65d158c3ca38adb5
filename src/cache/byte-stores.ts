/** Stores that keep immutable bytes under a key: the Cache API of the data centre, and Workers KV for all locations. */
import { freeBytes } from "../bytes/free-bytes.ts";

/** A store of bytes. Its methods may reject. */
export interface ByteStore {
  get(key: string): Promise<Uint8Array | undefined>;
  put(key: string, bytes: Uint8Array): Promise<void>;
}

/** The Cache API accepts only GET requests, so a key becomes a URL. Never fetched: .invalid is reserved (RFC 2606). */
const cacheOrigin = "https://edge-resnet-cache.invalid";

/** The Cache API. It has no effect on workers.dev hostnames. */
export class CacheApiStore implements ByteStore {
  readonly #cache: Pick<Cache, "match" | "put" | "delete">;
  readonly #ttlSeconds: number;

  constructor(cache: Pick<Cache, "match" | "put" | "delete">, ttlSeconds: number) {
    this.#cache = cache;
    this.#ttlSeconds = ttlSeconds;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    const response = await this.#cache.match(`${cacheOrigin}/${key}`);
    return response && new Uint8Array(await response.arrayBuffer());
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    const headers = {
      "Content-Type": "application/octet-stream",
      "Cache-Control": `public, max-age=${this.#ttlSeconds}, immutable`,
    };
    // A copy, because the caller may free its bytes before they are stored.
    const copy = bytes.slice();
    try {
      await this.#cache.put(`${cacheOrigin}/${key}`, new Response(copy, { headers }));
    } finally {
      freeBytes(copy);
    }
  }

  async delete(key: string): Promise<void> {
    await this.#cache.delete(`${cacheOrigin}/${key}`);
  }
}

/** The methods of a Workers KV namespace that the store uses. */
export interface ResultNamespace {
  get(key: string, type: "arrayBuffer"): Promise<ArrayBuffer | null>;
  put(key: string, value: Uint8Array, options: { expirationTtl: number }): Promise<void>;
}

/** Workers KV. Other locations see a write within about a minute. */
export class KvStore implements ByteStore {
  readonly #namespace: ResultNamespace;
  readonly #ttlSeconds: number;

  /** @param ttlSeconds lifetime of an entry; KV accepts at least 60 s */
  constructor(namespace: ResultNamespace, ttlSeconds: number) {
    this.#namespace = namespace;
    this.#ttlSeconds = ttlSeconds;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    const stored = await this.#namespace.get(key, "arrayBuffer");
    return stored ? new Uint8Array(stored) : undefined;
  }

  put(key: string, bytes: Uint8Array): Promise<void> {
    return this.#namespace.put(key, bytes, { expirationTtl: this.#ttlSeconds });
  }
}

/** Stores that keep immutable bytes under a key: the Cache API of the data centre, and Workers KV for all locations. */
import { freeBytes } from "../bytes/byte-arrays.ts";

/** A store of bytes. Its methods may reject. */
export interface ByteStore {
  get(key: string): Promise<Uint8Array | undefined>;
  put(key: string, bytes: Uint8Array): Promise<void>;
}

/**
 * Path of every entry in the Cache API, on a host of this Worker. The Worker answers it with 404, so no client can read an
 * entry, and no response of the Worker can become one.
 */
export const cachePath = "/v1/cache/";

/** What CacheApiStore needs. */
export interface CacheApiOptions {
  readonly cache: Pick<Cache, "match" | "put" | "delete">;
  readonly ttlSeconds: number;
  /** Returns a host that routes to this Worker, or undefined if none is known. */
  readonly host: () => string | undefined;
}

/** The Cache API. It has no effect on workers.dev and behind Cloudflare Access. Without a host, the store is empty. */
export class CacheApiStore implements ByteStore {
  readonly #options: CacheApiOptions;

  constructor(options: CacheApiOptions) {
    this.#options = options;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    const url = this.#urlOf(key);
    const response = url && (await this.#options.cache.match(url));
    return response ? new Uint8Array(await response.arrayBuffer()) : undefined;
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    const url = this.#urlOf(key);
    if (url === undefined) return;
    const headers = {
      "Content-Type": "application/octet-stream",
      "Cache-Control": `public, max-age=${this.#options.ttlSeconds}, immutable`,
    };
    // A copy, because the caller may free its bytes before they are stored.
    const copy = bytes.slice();
    try {
      await this.#options.cache.put(url, new Response(copy, { headers }));
    } finally {
      freeBytes(copy);
    }
  }

  async delete(key: string): Promise<void> {
    const url = this.#urlOf(key);
    if (url !== undefined) await this.#options.cache.delete(url);
  }

  /** The Cache API has URLs as keys. Cloudflare asks for a host that routes to the Worker. */
  #urlOf(key: string): string | undefined {
    const host = this.#options.host();
    return host === undefined ? undefined : `https://${host}${cachePath}${key}`;
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

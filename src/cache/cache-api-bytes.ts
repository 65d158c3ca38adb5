/** Bytes that never change, in the Cache API of the data centre. */
import { freeBytes } from "../bytes/free-bytes.ts";
import { cacheUrl } from "./cache-api-tier.ts";

export class CacheApiBytes {
  readonly #cache: Pick<Cache, "match" | "put" | "delete">;
  readonly #ttlSeconds: number;

  constructor(cache: Pick<Cache, "match" | "put" | "delete">, ttlSeconds: number) {
    this.#cache = cache;
    this.#ttlSeconds = ttlSeconds;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    const response = await this.#cache.match(cacheUrl(key));
    return response && new Uint8Array(await response.arrayBuffer());
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    const headers = { "Cache-Control": `public, max-age=${this.#ttlSeconds}, immutable` };
    // A copy: the caller frees its bytes as soon as the session is made.
    const copy = bytes.slice();
    try {
      await this.#cache.put(cacheUrl(key), new Response(copy, { headers }));
    } finally {
      freeBytes(copy);
    }
  }

  async delete(key: string): Promise<void> {
    await this.#cache.delete(cacheUrl(key));
  }
}

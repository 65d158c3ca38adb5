/**
 * The Cache API of the data centre. It takes GET requests only, so a result stands under a synthetic URL that
 * names image and model. It has no effect on workers.dev hostnames.
 */
import { type CachedResult, decodeResult, encodeResult } from "./result.ts";
import type { CacheTier } from "./tiers.ts";

/** Never fetched: .invalid is reserved for this (RFC 2606). */
const cacheOrigin = "https://edge-resnet-cache.invalid";

export class CacheApiTier implements CacheTier {
  readonly name = "cache-api";
  readonly #cache: Pick<Cache, "match" | "put">;
  readonly #ttlSeconds: number;

  constructor(cache: Pick<Cache, "match" | "put">, ttlSeconds: number) {
    this.#cache = cache;
    this.#ttlSeconds = ttlSeconds;
  }

  async get(key: string): Promise<CachedResult | undefined> {
    const response = await this.#cache.match(cacheUrl(key));
    if (!response) return undefined;
    const result = await decodeResult(new Uint8Array(await response.arrayBuffer()));
    if (!result) throw new Error(`the entry ${key} is not a result`);
    return result;
  }

  async put(key: string, result: CachedResult): Promise<void> {
    const headers = {
      "Content-Type": "application/octet-stream",
      "Cache-Control": `public, max-age=${this.#ttlSeconds}, immutable`,
    };
    await this.#cache.put(cacheUrl(key), new Response(await encodeResult(result), { headers }));
  }
}

/** The synthetic URL of a key. */
export function cacheUrl(key: string): string {
  return `${cacheOrigin}/${key}`;
}

/**
 * Workers KV: results that all locations share, for a time. A write takes effect elsewhere within about a minute;
 * since a key names image and model, what is read is never stale, at worst not there yet.
 */
import { type CachedResult, decodeResult, encodeResult } from "./result.ts";
import type { CacheTier } from "./tiers.ts";

/** A Workers KV namespace. */
export interface ResultNamespace {
  get(key: string, type: "arrayBuffer"): Promise<ArrayBuffer | null>;
  put(key: string, value: Uint8Array, options: { expirationTtl: number }): Promise<void>;
}

export class KvTier implements CacheTier {
  readonly name = "kv";
  readonly #namespace: ResultNamespace;
  readonly #ttlSeconds: number;

  /** @param ttlSeconds time that a result is kept; KV takes no less than 60 s */
  constructor(namespace: ResultNamespace, ttlSeconds: number) {
    this.#namespace = namespace;
    this.#ttlSeconds = ttlSeconds;
  }

  async get(key: string): Promise<CachedResult | undefined> {
    const stored = await this.#namespace.get(key, "arrayBuffer");
    if (!stored) return undefined;
    const result = await decodeResult(new Uint8Array(stored));
    if (!result) throw new Error(`the entry ${key} is not a result`);
    return result;
  }

  async put(key: string, result: CachedResult): Promise<void> {
    await this.#namespace.put(key, await encodeResult(result), { expirationTtl: this.#ttlSeconds });
  }
}

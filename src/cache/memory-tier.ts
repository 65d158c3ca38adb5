/** The isolate's own memory: least recently used results go first, bounded by bytes. */
import { Lru } from "./lru.ts";
import { type CachedResult, resultBytes } from "./result.ts";
import type { CacheTier } from "./tiers.ts";

export class MemoryTier implements CacheTier {
  readonly name = "memory";
  readonly #results: Lru<CachedResult>;
  readonly #maxBytes: number;

  constructor(maxBytes: number) {
    this.#results = new Lru(maxBytes);
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#results.weight;
  }

  get size(): number {
    return this.#results.size;
  }

  async get(key: string): Promise<CachedResult | undefined> {
    return this.#results.get(key);
  }

  async put(key: string, result: CachedResult): Promise<void> {
    const bytes = entryBytes(key, result);
    if (bytes <= this.#maxBytes) this.#results.put(key, result, bytes);
  }
}

/** V8's cost of one entry beside its numbers and key: Map slot, object, two typed arrays with their buffers. */
const entryOverheadBytes = 400;

function entryBytes(key: string, result: CachedResult): number {
  return resultBytes(result) + 2 * key.length + entryOverheadBytes;
}

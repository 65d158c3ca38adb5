/** The isolate's own memory: least recently used results go first, bounded by bytes. */
import { type CachedResult, resultBytes } from "./result.ts";
import type { CacheTier } from "./tiers.ts";

export class MemoryTier implements CacheTier {
  readonly name = "memory";
  // A Map keeps insertion order: the first key is the least recently used.
  readonly #results = new Map<string, CachedResult>();
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#results.size;
  }

  async get(key: string): Promise<CachedResult | undefined> {
    const result = this.#results.get(key);
    if (result) {
      this.#results.delete(key);
      this.#results.set(key, result);
    }
    return result;
  }

  async put(key: string, result: CachedResult): Promise<void> {
    const bytes = entryBytes(key, result);
    if (bytes > this.#maxBytes) return;
    this.#delete(key);
    this.#results.set(key, result);
    this.#bytes += bytes;
    for (const oldest of this.#results.keys()) {
      if (this.#bytes <= this.#maxBytes) break;
      this.#delete(oldest);
    }
  }

  #delete(key: string): void {
    const result = this.#results.get(key);
    if (!result) return;
    this.#results.delete(key);
    this.#bytes -= entryBytes(key, result);
  }
}

/** V8's cost of one entry beside its numbers and key: Map slot, object, two typed arrays with their buffers. */
const entryOverheadBytes = 400;

function entryBytes(key: string, result: CachedResult): number {
  return resultBytes(result) + 2 * key.length + entryOverheadBytes;
}

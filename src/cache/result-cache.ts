/**
 * The result cache: tiers from the nearest to the farthest. A hit in a far tier fills the nearer ones. A tier that fails is
 * reported and skipped, and a tier that hangs is not called again for a while, so a cache never fails a request.
 *
 * The cached value is the logits and features of one image, so that every top_k, activation function, embedding and head is
 * a hit.
 */

import { sha256 } from "../bytes/byte-arrays.ts";
import { CircuitBreaker } from "../concurrency/timeout.ts";
import type { ByteStore } from "./byte-stores.ts";
import { Lru } from "./lru.ts";

/** Scores of one image by one version of the model. */
export interface CachedResult {
  /** Pixels of the image as displayed. */
  readonly width: number;
  readonly height: number;
  /** [classes] */
  readonly logits: Float32Array;
  /** [feature_size] */
  readonly features: Float32Array;
}

/** Key of a result. The model version covers weights, labels and preprocessing. */
export function cacheKey(imageSha256: string, modelName: string, modelVersion: string): string {
  return `${modelName}/${modelVersion}/${imageSha256}`;
}

/** One tier. Its methods may reject. */
export interface CacheTier {
  readonly name: string;
  get(key: string): Promise<CachedResult | undefined>;
  put(key: string, result: CachedResult): Promise<void>;
}

/** Receives the failures of all tiers. */
type CacheFailure = (tier: string, operation: string, error: unknown) => void;

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

/**
 * Layout of an encoded result, little-endian: 'ERC1' (4 bytes), the first 8 bytes of the SHA-256 of everything after them,
 * then width, height, number of logits and number of features (u32 each), then the logits and the features (float32).
 */
const magic = [0x45, 0x52, 0x43, 0x31];
const checksumStart = magic.length;
const contentStart = checksumStart + 8;
const valuesStart = contentStart + 16;
/** More values than any model has: a larger stored count is garbage. */
const maxValues = 1 << 20;

/** Bytes of an encoded result, and about as many in memory. */
export function resultBytes(result: CachedResult): number {
  return valuesStart + 4 * (result.logits.length + result.features.length);
}

/** Encodes a result in the layout above. */
export async function encodeResult(result: CachedResult): Promise<Uint8Array<ArrayBuffer>> {
  const { width, height, logits, features } = result;
  const bytes = new Uint8Array(resultBytes(result));
  const view = new DataView(bytes.buffer);
  bytes.set(magic);
  for (const [i, value] of [width, height, logits.length, features.length].entries()) {
    view.setUint32(contentStart + 4 * i, value, true);
  }
  for (const [i, value] of [...logits, ...features].entries()) {
    view.setFloat32(valuesStart + 4 * i, value, true);
  }
  bytes.set(await checksum(bytes), checksumStart);
  return bytes;
}

/** Decodes a result. Returns undefined for bytes that are not one, because a cache may return anything. */
export async function decodeResult(bytes: Uint8Array): Promise<CachedResult | undefined> {
  if (bytes.length < valuesStart) return undefined;
  const header = [...magic, ...(await checksum(bytes))];
  if (header.some((byte, i) => byte !== bytes[i])) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const count = (i: number) => view.getUint32(contentStart + 4 * i, true);
  const [logitCount, featureCount] = [count(2), count(3)];
  if (logitCount > maxValues || featureCount > maxValues) return undefined;
  if (bytes.length !== valuesStart + 4 * (logitCount + featureCount)) return undefined;
  const floats = (start: number, length: number) =>
    Float32Array.from({ length }, (_, i) => view.getFloat32(valuesStart + 4 * (start + i), true));
  return {
    width: count(0),
    height: count(1),
    logits: floats(0, logitCount),
    features: floats(logitCount, featureCount),
  };
}

async function checksum(bytes: Uint8Array): Promise<Uint8Array> {
  return (await sha256(bytes.subarray(contentStart))).subarray(0, contentStart - checksumStart);
}

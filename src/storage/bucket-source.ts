/** Reads packs and heads from an R2 bucket, directly or through a cache: for example `<name>/current.json` and `<name>/<version>/<file>`. */
import { sha256Hex } from "../bytes/byte-arrays.ts";
import type { WaitUntil } from "../concurrency/shared-work.ts";
import { CircuitBreaker, type CircuitBreakerOptions } from "../concurrency/timeout.ts";
import { modelUnavailable, orUnavailable } from "../model/unavailable.ts";

/** Size and hash that the manifest states for an object. */
export interface Expected {
  readonly bytes: number;
  readonly sha256: string;
}

/** Reads objects of packs and heads. Every method throws ClassifierError model_unavailable. */
export interface PackSource {
  /** Reads one whole object of at most `maxBytes`, or returns undefined if it does not exist. */
  readIfThere(key: string, maxBytes: number): Promise<Uint8Array | undefined>;
  /** Reads one whole object of at most `maxBytes`. */
  read(key: string, maxBytes: number): Promise<Uint8Array>;
  /** Reads one immutable object and checks its size and SHA-256. */
  readChecked(key: string, expected: Expected): Promise<Uint8Array>;
  /** Number of reads from the bucket so far. Each is an R2 Class B operation. */
  readonly reads: number;
}

/** The methods of an R2 bucket binding that reading uses. */
export interface ObjectBucket {
  get(key: string): Promise<{ readonly size: number; arrayBuffer(): Promise<ArrayBuffer> } | null>;
}

/** A bucket without a cache. */
export class BucketSource implements PackSource {
  readonly #bucket: ObjectBucket;
  readonly #fix: string;
  #reads = 0;

  /** @param fix what the owner should do about a missing object */
  constructor(bucket: ObjectBucket, fix = "push the pack (npm run model -- push)") {
    this.#bucket = bucket;
    this.#fix = fix;
  }

  get reads(): number {
    return this.#reads;
  }

  async read(key: string, maxBytes: number): Promise<Uint8Array> {
    const bytes = await this.readIfThere(key, maxBytes);
    if (!bytes) throw modelUnavailable(`the bucket has no object ${key}; ${this.#fix}`);
    return bytes;
  }

  async readIfThere(key: string, maxBytes: number): Promise<Uint8Array | undefined> {
    this.#reads++;
    const failed = `reading ${key} from the bucket failed`;
    const object = await orUnavailable(failed, () => this.#bucket.get(key));
    if (!object) return undefined;
    if (object.size > maxBytes) {
      throw modelUnavailable(`${key} has ${object.size} bytes; expected at most ${maxBytes}; push it again`);
    }
    return new Uint8Array(await orUnavailable(failed, () => object.arrayBuffer()));
  }

  async readChecked(key: string, expected: Expected): Promise<Uint8Array> {
    const bytes = await this.read(key, expected.bytes);
    await check(key, bytes, expected);
    return bytes;
  }
}

/**
 * Checks the size and the SHA-256 of `bytes`.
 * @throws ClassifierError model_unavailable
 */
export async function check(key: string, bytes: Uint8Array, expected: Expected): Promise<void> {
  if (bytes.length !== expected.bytes) {
    throw modelUnavailable(`${key} has ${bytes.length} bytes; expected ${expected.bytes}; push it again`);
  }
  const actual = await sha256Hex(bytes);
  if (actual !== expected.sha256) {
    throw modelUnavailable(`${key} has SHA-256 ${actual}; expected ${expected.sha256}; push it again`);
  }
}

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

/**
 * A bucket behind a cache, for immutable objects. Cached bytes are checked like those of the bucket; an entry that fails the
 * check is deleted and read from the bucket. A failing or hanging cache never fails a read.
 */
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

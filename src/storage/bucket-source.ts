/** Reads packs and heads from an R2 bucket, for example `<name>/current.json` and `<name>/<version>/<file>`. */
import { sha256Hex } from "../bytes/sha256.ts";
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

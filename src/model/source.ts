/** Where packs are read from: an R2 bucket, as `<name>/current.json` and `<name>/<version>/<file>`. */
import { sha256Hex } from "../sha256.ts";
import { modelUnavailable } from "./unavailable.ts";

/** What an object must be, by its manifest. */
export interface Expected {
  readonly bytes: number;
  readonly sha256: string;
}

/** All reads reject with model_unavailable. */
export interface PackSource {
  /** As `read`, or undefined where there is no such object. */
  readIfThere(key: string, maxBytes: number): Promise<Uint8Array | undefined>;
  /** One object, whole: missing, too large, or the store's own failure are refused. */
  read(key: string, maxBytes: number): Promise<Uint8Array>;
  /** One object whose content never changes, checked by size and SHA-256. */
  readChecked(key: string, expected: Expected): Promise<Uint8Array>;
  /** Reads of the bucket so far; each is an R2 Class B operation. */
  readonly reads: number;
}

/** What is used of an R2 bucket binding. */
export interface ObjectBucket {
  get(key: string): Promise<{ readonly size: number; arrayBuffer(): Promise<ArrayBuffer> } | null>;
}

export class BucketSource implements PackSource {
  readonly #bucket: ObjectBucket;
  readonly #mend: string;
  #reads = 0;

  /** @param mend what to do about an object that is missing, for people */
  constructor(bucket: ObjectBucket, mend = "push the pack (npm run model -- push)") {
    this.#bucket = bucket;
    this.#mend = mend;
  }

  get reads(): number {
    return this.#reads;
  }

  async read(key: string, maxBytes: number): Promise<Uint8Array> {
    const bytes = await this.readIfThere(key, maxBytes);
    if (!bytes) throw modelUnavailable(`the bucket has no object ${key}; ${this.#mend}`);
    return bytes;
  }

  async readIfThere(key: string, maxBytes: number): Promise<Uint8Array | undefined> {
    this.#reads++;
    const object = await attempt(key, () => this.#bucket.get(key));
    if (!object) return undefined;
    if (object.size > maxBytes) {
      throw modelUnavailable(`${key} has ${object.size} bytes; expected at most ${maxBytes}; push it again`);
    }
    return new Uint8Array(await attempt(key, () => object.arrayBuffer()));
  }

  async readChecked(key: string, expected: Expected): Promise<Uint8Array> {
    const bytes = await this.read(key, expected.bytes);
    await check(key, bytes, expected);
    return bytes;
  }
}

/** Rejects with model_unavailable when the bytes are not what they must be. */
export async function check(key: string, bytes: Uint8Array, expected: Expected): Promise<void> {
  if (bytes.length !== expected.bytes) {
    throw modelUnavailable(`${key} has ${bytes.length} bytes; expected ${expected.bytes}; push it again`);
  }
  const actual = await sha256Hex(bytes);
  if (actual !== expected.sha256) {
    throw modelUnavailable(`${key} has SHA-256 ${actual}; expected ${expected.sha256}; push it again`);
  }
}

async function attempt<T>(key: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    throw modelUnavailable(`reading ${key} from the bucket failed`, cause);
  }
}

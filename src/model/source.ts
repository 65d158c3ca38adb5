/** Where packs are read from: an R2 bucket, as `<name>/current.json` and `<name>/<version>/<file>`. */
import { modelUnavailable } from "./unavailable.ts";

/** Reads one object, whole. Rejects with model_unavailable: missing, too large, or the store's own failure. */
export interface PackSource {
  read(key: string, maxBytes: number): Promise<Uint8Array>;
  /** Reads so far; each is an R2 Class B operation. */
  readonly reads: number;
}

/** What is used of an R2 bucket binding. */
export interface ObjectBucket {
  get(key: string): Promise<{ readonly size: number; arrayBuffer(): Promise<ArrayBuffer> } | null>;
}

export class BucketSource implements PackSource {
  readonly #bucket: ObjectBucket;
  #reads = 0;

  constructor(bucket: ObjectBucket) {
    this.#bucket = bucket;
  }

  get reads(): number {
    return this.#reads;
  }

  async read(key: string, maxBytes: number): Promise<Uint8Array> {
    this.#reads++;
    const object = await attempt(key, () => this.#bucket.get(key));
    if (!object) {
      throw modelUnavailable(`the bucket has no object ${key}; push the pack (npm run model -- push)`);
    }
    if (object.size > maxBytes) {
      throw modelUnavailable(
        `${key} has ${object.size} bytes; expected at most ${maxBytes}; push the pack again`,
      );
    }
    return new Uint8Array(await attempt(key, () => object.arrayBuffer()));
  }
}

async function attempt<T>(key: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    throw modelUnavailable(`reading ${key} from the bucket failed`, cause);
  }
}

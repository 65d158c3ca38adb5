/** Stand-ins for what keeps bytes: the bucket, the Cache API, KV. Each is well until it is told otherwise. */
import type { ResultNamespace } from "../../../src/cache/byte-stores.ts";
import { encodeResult } from "../../../src/cache/result-cache.ts";
import type { ListableBucket } from "../../../src/head/head-store.ts";
import type { ObjectBucket } from "../../../src/storage/bucket-source.ts";
import type { Faults, StoreFault } from "./faults.ts";

export const never = <T>() => new Promise<T>(() => {});
type GetFaults = () => Faults;

export class FaultyBucket implements ObjectBucket, ListableBucket {
  readonly #bucket: ObjectBucket & ListableBucket;
  readonly #faults: GetFaults;
  reads: string[] = [];

  constructor(bucket: ObjectBucket & ListableBucket, faults: GetFaults) {
    this.#bucket = bucket;
    this.#faults = faults;
  }

  list(options: Parameters<ListableBucket["list"]>[0]) {
    return this.#bucket.list(options);
  }

  async get(key: string) {
    this.reads.push(key);
    const fault = this.#faults().bucket;
    const object = await this.#bucket.get(key);
    if (!object || !fault || !key.includes(fault.on)) return object;
    const { size } = object;
    const whole = async () => new Uint8Array(await object.arrayBuffer());
    switch (fault.how) {
      case "missing":
        return null;
      case "throws":
        throw new Error("get: We encountered an internal error. Please try again. (10001)");
      case "hangs":
        return never<null>();
      case "slow":
        await new Promise((resolve) => setTimeout(resolve, 300));
        return object;
      case "cut":
        return { size, arrayBuffer: () => Promise.reject(new Error("Network connection lost.")) };
      case "truncated":
        return { size: size >> 1, arrayBuffer: async () => (await whole()).slice(0, size >> 1).buffer };
      case "short":
        return { size, arrayBuffer: async () => (await whole()).slice(0, -1).buffer };
      case "flipped": {
        const bytes = await whole();
        bytes[size >> 1]! ^= 4;
        return { size, arrayBuffer: async () => bytes.buffer as ArrayBuffer };
      }
    }
  }
}

/** Returns the result of a read with a fault, or undefined without one. */
async function failing(fault: StoreFault | undefined, stored: Uint8Array | undefined) {
  const of = (logits: number[], features: number) =>
    encodeResult({
      width: 64,
      height: 64,
      logits: Float32Array.from(logits),
      features: new Float32Array(features),
    });
  switch (fault) {
    case "throws":
      throw new Error("the store is down");
    case "hangs":
      return never<Uint8Array>();
    case "garbage":
      return crypto.getRandomValues(new Uint8Array(500));
    case "html":
      return new TextEncoder().encode("<html>502 Bad Gateway</html>");
    case "empty":
      return new Uint8Array(0);
    case "truncated":
      return stored?.slice(0, stored.length >> 1);
    case "other-classes":
      return of([9, 0, 0], 512);
    case "not-numbers":
      return of(new Array<number>(10).fill(Number.NaN), 512);
    default:
      return undefined;
  }
}

/** Stores bytes by key. Reads or writes fail as `fault` sets. */
class FaultyMap {
  readonly stored = new Map<string, Uint8Array>();
  readonly #fault: () => StoreFault | undefined;

  constructor(fault: () => StoreFault | undefined) {
    this.#fault = fault;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    const stored = this.stored.get(key);
    return (await failing(this.#fault(), stored)) ?? stored?.slice();
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    const fault = this.#fault();
    if (fault === "put-throws") throw new Error("the store is full");
    if (fault === "put-hangs") return never();
    this.stored.set(key, bytes.slice());
  }
}

export class FaultyCache implements Pick<Cache, "match" | "put" | "delete"> {
  readonly map: FaultyMap;

  constructor(faults: GetFaults) {
    this.map = new FaultyMap(() => faults().cache);
  }

  async match(request: unknown): Promise<Response | undefined> {
    const bytes = await this.map.get(String(request));
    return bytes && new Response(bytes as BodyInit);
  }

  async put(request: unknown, response: Response): Promise<void> {
    await this.map.put(String(request), new Uint8Array(await response.arrayBuffer()));
  }

  async delete(request: unknown): Promise<boolean> {
    return this.map.stored.delete(String(request));
  }
}

export class FaultyNamespace implements ResultNamespace {
  readonly map: FaultyMap;

  constructor(faults: GetFaults) {
    this.map = new FaultyMap(() => faults().kv);
  }

  async get(key: string): Promise<ArrayBuffer | null> {
    return ((await this.map.get(key))?.buffer as ArrayBuffer | undefined) ?? null;
  }

  put(key: string, value: Uint8Array): Promise<void> {
    return this.map.put(key, value);
  }
}

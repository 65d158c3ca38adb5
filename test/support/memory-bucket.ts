/** A bucket in memory that behaves like R2's binding, for unit tests. The black-box tests use miniflare's R2. */
import { createHash } from "node:crypto";
import type { ListPage, PackBucket, PutOptions } from "../../cli/store/bucket.ts";
import type { ObjectBucket } from "../../src/storage/bucket-source.ts";

export class MemoryBucket implements ObjectBucket, PackBucket {
  readonly objects = new Map<string, Uint8Array>();
  /** Keys in the order in which they were put. */
  readonly puts: string[] = [];
  readonly gets: string[] = [];
  lists = 0;
  /** Set to make the next operations fail or wait. */
  beforeGet: (key: string) => Promise<void> = async () => {};
  beforePut: (key: string) => Promise<void> = async () => {};

  async head(key: string) {
    const bytes = this.objects.get(key);
    if (!bytes) return null;
    const digest = createHash("sha256").update(bytes).digest();
    const sha256 = digest.buffer.slice(digest.byteOffset, digest.byteOffset + 32) as ArrayBuffer;
    return { size: bytes.length, checksums: { sha256 } };
  }

  async get(key: string) {
    this.gets.push(key);
    await this.beforeGet(key);
    const bytes = this.objects.get(key);
    if (!bytes) return null;
    return {
      etag: etagOf(bytes),
      size: bytes.length,
      text: async () => new TextDecoder().decode(bytes),
      arrayBuffer: async () => bytes.slice().buffer as ArrayBuffer,
    };
  }

  /** Lists the folders under `prefix`, on one page unless there are more than `limit`. */
  async list(options: {
    prefix?: string;
    delimiter?: string;
    limit?: number;
    cursor?: string;
  }): Promise<ListPage> {
    const { prefix = "", delimiter = "/", limit = 1000 } = options;
    this.lists++;
    await this.beforeGet(prefix);
    const folders = [...this.objects.keys()]
      .filter((key) => key.startsWith(prefix) && key.includes(delimiter, prefix.length))
      .map((key) => key.slice(0, key.indexOf(delimiter, prefix.length) + 1));
    const all = [...new Set(folders)].sort();
    return { objects: [], truncated: all.length > limit, delimitedPrefixes: all.slice(0, limit) };
  }

  async put(key: string, value: Uint8Array | string, options?: PutOptions) {
    await this.beforePut(key);
    if (options?.onlyIf && !holds(options.onlyIf, this.objects.get(key))) return null;
    const bytes = typeof value === "string" ? new TextEncoder().encode(value) : value;
    if (options?.sha256 && createHash("sha256").update(bytes).digest("hex") !== options.sha256) {
      throw new Error("put: The SHA-256 checksum you specified did not match what we received.");
    }
    this.objects.set(key, bytes);
    this.puts.push(key);
    return { etag: etagOf(bytes) };
  }

  json(key: string, value: unknown): void {
    this.objects.set(key, new TextEncoder().encode(JSON.stringify(value)));
  }
}

const etagOf = (bytes: Uint8Array) => createHash("md5").update(bytes).digest("hex");

function holds(onlyIf: NonNullable<PutOptions["onlyIf"]>, now: Uint8Array | undefined): boolean {
  return "etagMatches" in onlyIf
    ? now !== undefined && etagOf(now) === onlyIf.etagMatches
    : now === undefined;
}

/** A bucket in memory that behaves like R2's binding, for unit tests. The black-box tests use miniflare's R2. */
import { createHash } from "node:crypto";
import type { ListPage, PackBucket, PutOptions } from "../../cli/store/bucket.ts";
import type { ObjectBucket } from "../../src/storage/bucket-source.ts";

export class MemoryBucket implements ObjectBucket, PackBucket {
  readonly objects = new Map<string, Uint8Array>();
  /** By key, as of the last put. */
  readonly metadata = new Map<string, Readonly<Record<string, string>> | undefined>();
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

  /** Lists the objects under `prefix`, or with a delimiter the folders, one page of `limit` at a time. */
  async list(options: {
    prefix?: string;
    delimiter?: string;
    limit?: number;
    cursor?: string;
    include?: readonly string[];
  }): Promise<ListPage> {
    const { prefix = "", delimiter, limit = 1000, cursor = "", include = [] } = options;
    this.lists++;
    await this.beforeGet(prefix);
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix));
    const folderOf = (key: string) => key.slice(0, key.indexOf(delimiter!, prefix.length) + 1);
    const all = [...new Set(delimiter === undefined ? keys : keys.map(folderOf))].sort();
    const rest = all.filter((entry) => entry > cursor);
    const page = rest.slice(0, limit);
    const objects = page.map((key) => ({
      ...{ key, size: this.objects.get(key)?.length ?? 0 },
      ...(include.includes("customMetadata") ? { customMetadata: this.metadata.get(key) ?? {} } : {}),
    }));
    return {
      ...(delimiter === undefined
        ? { objects, delimitedPrefixes: [] }
        : { objects: [], delimitedPrefixes: page }),
      ...(rest.length > limit ? { truncated: true, cursor: page.at(-1)! } : { truncated: false }),
    };
  }

  async put(key: string, value: Uint8Array | string, options?: PutOptions) {
    await this.beforePut(key);
    if (options?.onlyIf && !holds(options.onlyIf, this.objects.get(key))) return null;
    const bytes = typeof value === "string" ? new TextEncoder().encode(value) : value;
    if (options?.sha256 && createHash("sha256").update(bytes).digest("hex") !== options.sha256) {
      throw new Error("put: The SHA-256 checksum you specified did not match what we received.");
    }
    this.objects.set(key, bytes);
    this.metadata.set(key, options?.customMetadata);
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

/**
 * Which bytes a URL gave when it was last asked, and what its server calls them: so that a repeat needs neither the bytes
 * nor their hash again. Bounded in the isolate; the Cache API keeps it for the data centre. Its failures are nobody's.
 */
import { z } from "zod";
import { type JsonLimits, parseJson } from "../bytes/bounded-json.ts";
import { sha256Hex } from "../bytes/sha256.ts";
import { CircuitBreaker } from "../concurrency/circuit-breaker.ts";
import { cacheRestMs } from "../limits.ts";
import { Lru } from "./lru.ts";

const strongETag = /^"[\x21\x23-\x7e]*"$/;
const httpDate = /^[\w :,+-]{1,64}$/;

/** What comes from a cache is sent on as headers: it must be what `put` would keep. */
const seenSchema = z.object({
  /** Of the image's bytes: 64 hex digits. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** Strong: it names these very bytes. */
  etag: z.string().regex(strongETag).max(256).optional(),
  lastModified: z.string().regex(httpDate).optional(),
});

/** One object of three keys. */
const jsonLimits: JsonLimits = { maxDepth: 1, maxStructure: 16 };

export type SeenImage = Readonly<z.infer<typeof seenSchema>>;

/** What is used of CacheApiBytes. */
export interface ByteStore {
  get(key: string): Promise<Uint8Array | undefined>;
  put(key: string, bytes: Uint8Array): Promise<void>;
}

export interface SeenImagesOptions {
  readonly store: ByteStore;
  readonly maxEntries: number;
  /** Milliseconds that the store has to answer. */
  readonly timeoutMs: number;
  readonly onFailure: (operation: string, error: unknown) => void;
}

export class SeenImages {
  readonly #options: SeenImagesOptions;
  readonly #breaker: CircuitBreaker;
  readonly #seen: Lru<SeenImage>;

  constructor(options: SeenImagesOptions) {
    const { timeoutMs, maxEntries, onFailure } = options;
    this.#options = options;
    this.#breaker = new CircuitBreaker({ timeoutMs, restMs: cacheRestMs, onFailure });
    this.#seen = new Lru(maxEntries);
  }

  /** Never rejects. */
  async get(url: string): Promise<SeenImage | undefined> {
    const key = await keyOf(url);
    const known = this.#seen.get(key) ?? (await this.#breaker.attempt("get", () => this.#read(key)));
    if (known) this.#seen.put(key, known);
    return known;
  }

  /** What has no validator is not kept: nothing could tell whether it still holds. Never rejects. */
  async put(url: string, seen: SeenImage): Promise<void> {
    if (seen.etag === undefined && seen.lastModified === undefined) return;
    const key = await keyOf(url);
    this.#seen.put(key, seen);
    const bytes = new TextEncoder().encode(JSON.stringify(seen));
    await this.#breaker.attempt("put", () => this.#options.store.put(key, bytes));
  }

  async #read(key: string): Promise<SeenImage | undefined> {
    const bytes = await this.#options.store.get(key);
    return bytes && seenSchema.parse(parseJson(bytes, jsonLimits));
  }
}

/**
 * The validators of a server's answer, for `put`. None for a weak ETag, which identifies no exact bytes; a Last-Modified
 * beside it does not either. None where Vary says that the URL alone does not determine the bytes.
 * @param requestHeaders names of request headers whose values differ between requests for the same URL
 */
export function validatorsIn(
  headers: Headers,
  requestHeaders: readonly string[] = [],
): Pick<SeenImage, "etag" | "lastModified"> {
  const varying = ["*", ...requestHeaders.map((name) => name.toLowerCase())];
  const vary = (headers.get("Vary") ?? "").split(",").map((name) => name.trim().toLowerCase());
  if (vary.some((name) => varying.includes(name))) return {};
  const etag = headers.get("ETag");
  if (etag !== null) return strongETag.test(etag) && etag.length <= 256 ? { etag } : {};
  const lastModified = headers.get("Last-Modified");
  return lastModified !== null && httpDate.test(lastModified) ? { lastModified } : {};
}

/** The request headers that ask whether `seen` still holds. */
export function conditionsFor(seen: SeenImage | undefined): Record<string, string> {
  if (seen?.etag !== undefined) return { "If-None-Match": seen.etag };
  if (seen?.lastModified !== undefined) return { "If-Modified-Since": seen.lastModified };
  return {};
}

/** A hash: URLs may be long and may have secrets in their query. */
async function keyOf(url: string): Promise<string> {
  return `seen/1/${await sha256Hex(new TextEncoder().encode(url))}`;
}

/**
 * Remembers for each image URL the hash of its bytes and the validators that its server sent. A repeated request then
 * needs neither the bytes nor their hash again. Kept in the isolate, bounded, and in a byte store for the data centre. A
 * failing store never fails a request.
 */
import { z } from "zod";
import { type JsonLimits, parseJson } from "../bytes/bounded-json.ts";
import { sha256Hex } from "../bytes/byte-arrays.ts";
import { CircuitBreaker, type CircuitBreakerOptions } from "../concurrency/timeout.ts";
import type { ByteStore } from "./byte-stores.ts";
import { Lru } from "./lru.ts";

/** URLs that an isolate remembers by default, about half a kilobyte each. */
const defaultMaxEntries = 1000;

const strongETag = /^"[\x21\x23-\x7e]*"$/;
const httpDate = /^[\w :,+-]{1,64}$/;

/** Entries of a cache become request headers, so they must be as strict as what `put` stores. */
const seenSchema = z.object({
  /** SHA-256 of the image's bytes: 64 hex digits. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** A strong ETag: it identifies exactly these bytes. */
  etag: z.string().regex(strongETag).max(256).optional(),
  lastModified: z.string().regex(httpDate).optional(),
});

/** One object with three keys. */
const jsonLimits: JsonLimits = { maxDepth: 1, maxStructure: 16 };

/** The hash and the validators of an image. */
export type SeenImage = Readonly<z.infer<typeof seenSchema>>;

/** How SeenImages stores its entries. */
export interface SeenImagesOptions extends CircuitBreakerOptions {
  readonly store: ByteStore;
  /** URLs that the isolate remembers. Default: 1,000. */
  readonly maxEntries?: number;
}

/** The images that were fetched by URL. */
export class SeenImages {
  readonly #store: ByteStore;
  readonly #breaker: CircuitBreaker;
  readonly #seen: Lru<SeenImage>;

  constructor(options: SeenImagesOptions) {
    this.#store = options.store;
    this.#breaker = new CircuitBreaker(options);
    this.#seen = new Lru(options.maxEntries ?? defaultMaxEntries);
  }

  /** Returns what is known about a URL. Never rejects. */
  async get(url: string): Promise<SeenImage | undefined> {
    const key = await keyOf(url);
    const known = this.#seen.get(key) ?? (await this.#breaker.attempt("get", () => this.#read(key)));
    if (known) this.#seen.put(key, known);
    return known;
  }

  /** Stores an image that has a validator. Without one, nothing could tell whether the hash still holds. Never rejects. */
  async put(url: string, seen: SeenImage): Promise<void> {
    if (seen.etag === undefined && seen.lastModified === undefined) return;
    const key = await keyOf(url);
    this.#seen.put(key, seen);
    const bytes = new TextEncoder().encode(JSON.stringify(seen));
    await this.#breaker.attempt("put", () => this.#store.put(key, bytes));
  }

  async #read(key: string): Promise<SeenImage | undefined> {
    const bytes = await this.#store.get(key);
    return bytes && seenSchema.parse(parseJson(bytes, jsonLimits));
  }
}

/**
 * Returns the validators of a server's response, for `put`. Returns none for a weak ETag, even beside a Last-Modified,
 * because it does not identify exact bytes, and none if Vary says that the URL alone does not determine the bytes.
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

/** Returns the request headers that ask the server whether `seen` is still current. */
export function conditionsFor(seen: SeenImage | undefined): Record<string, string> {
  if (seen?.etag !== undefined) return { "If-None-Match": seen.etag };
  if (seen?.lastModified !== undefined) return { "If-Modified-Since": seen.lastModified };
  return {};
}

/** A hash, because URLs can be long and can have secrets in their query. */
async function keyOf(url: string): Promise<string> {
  return `seen/1/${await sha256Hex(new TextEncoder().encode(url))}`;
}

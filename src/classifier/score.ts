/**
 * The life of an image, whatever the transport: wait for memory, read, hash, look in the cache, compute on a miss, release
 * everything. HTTP routes and RPC are adapters: they make a source, score it, and convert the scores to an answer.
 */
import { freeBytes, sha256Hex } from "../bytes/byte-arrays.ts";
import type { CachedResult } from "../cache/result-cache.ts";
import type { Admission, Permit } from "../concurrency/admission.ts";
import { pause } from "../concurrency/timeout.ts";
import { ClassifierError, toClassifierError } from "../errors.ts";
import type { Head } from "../head/head.ts";
import type { HeadStore } from "../head/head-store.ts";
import { firstReadBytes, requestOverheadBytes } from "../limits.ts";
import type { CacheStatus, Classifier, RequestContext } from "./classifier.ts";
import { headOf, type RequestedOptions, type ResolvedOptions, resolveOptions } from "./options.ts";

/** Pause between two images of one request, so that other requests are read and answered. */
const betweenImagesMs = 10;
/** A cold isolate loads the model while a body of at least this size arrives: it takes longer to arrive than the model to load. */
const preloadBodyBytes = 256 * 1024;

/** Where images come from: a request body, a URL, an RPC argument. */
export interface ImageSource {
  /** Upper bound of the bytes that reading holds in memory. */
  readonly maxBytes: number;
  /** The images belong to the caller: scoring does not free them, and `maxBytes` stay in memory until it ends. */
  readonly isBorrowed?: boolean;
  /** SHA-256 of the only image in hex, if the source knows it without reading. */
  readonly sha256?: string | undefined;
  /**
   * Reads one to eight images. The permit grows as bytes arrive.
   * @throws ClassifierError
   */
  read(permit: Permit, signal: AbortSignal | undefined): Promise<SourceContent>;
  /** Remembers the hash of the only image, so that the next source of the same image knows it. */
  remember?(sha256: string): void;
  /** Closes a source that is not read. */
  cancel?(): void;
}

/** What a source holds. */
export type SourceContent =
  | {
      readonly images: readonly Uint8Array[];
      /** Options that come with the images. They replace those of the request. */
      readonly options?: RequestedOptions;
    }
  /** The image is in another source, which gets a permit of its own: a JSON body may name a URL. */
  | { readonly source: ImageSource };

/** What is asked about the images. */
export interface ScoreRequest {
  readonly options: RequestedOptions;
  /** If-None-Match of the request: an image whose answer the caller has already is not scored. */
  readonly ifNoneMatch?: string | undefined;
}

/** The scores of one image, with the options resolved for the pack that computed them. */
export interface Scored {
  readonly imageSha256: string;
  readonly result: CachedResult;
  readonly cache: CacheStatus;
  /** Strong ETag of the answer. */
  readonly etag: string;
  readonly options: ResolvedOptions;
  /** The head of `options`, decoded. */
  readonly head: Head | undefined;
}

/** The caller has the answer already. */
export interface NotModified {
  readonly notModified: true;
  readonly etag: string;
}

/** The error of one of several images. */
export interface Failed {
  readonly error: ClassifierError;
}

export interface ScorerOptions {
  readonly admission: Admission;
  readonly classifier: Classifier;
  readonly heads: HeadStore;
}

/** Scores images. One per isolate. */
export class Scorer {
  readonly #options: ScorerOptions;

  constructor(options: ScorerOptions) {
    this.#options = options;
  }

  /**
   * Scores the only image of a source.
   * @throws ClassifierError
   */
  async scoreOne(
    source: ImageSource,
    request: ScoreRequest,
    context: RequestContext,
  ): Promise<Scored | NotModified> {
    for await (const outcome of this.scoreAll(source, request, context)) {
      if ("error" in outcome) throw outcome.error;
      return outcome;
    }
    throw new Error("the source holds no image; expected one");
  }

  /**
   * Scores every image of a source, one after the other. The error of one of several images is an outcome; any other
   * error ends the iteration.
   * @throws ClassifierError
   */
  async *scoreAll(
    first: ImageSource,
    request: ScoreRequest,
    context: RequestContext,
  ): AsyncGenerator<Scored | NotModified | Failed> {
    const { stages, signal, facts } = context;
    // Started here, so that pack and head are read while the images arrive.
    const resolving = this.resolve(request.options);
    resolving.catch(() => {});
    let source = first;
    for (;;) {
      if (source.sha256 !== undefined) {
        const known = await this.recall(source.sha256, await resolving, request, context);
        if (known) {
          source.cancel?.();
          return yield known;
        }
      }
      let images: readonly Uint8Array[] = [];
      let isReading = true;
      this.#preload(source, () => isReading);
      const permit = await this.#acquire(source, context);
      try {
        const content = await stages.time("read", () => source.read(permit, signal));
        isReading = false;
        if ("source" in content) {
          source = content.source;
          continue;
        }
        images = content.images;
        facts.bytes = bytesOf(images);
        const asked = content.options ? { ...request, options: content.options } : request;
        // Options that are wrong for the model are an error of the request, not of one image.
        const resolved = await stages.time("model", () =>
          content.options ? this.resolve(content.options) : resolving,
        );
        for (const [i, bytes] of images.entries()) {
          // Decoding and running block the thread. Other requests get their turn between two images.
          if (i > 0) await pause(betweenImagesMs);
          const heldBytes = source.isBorrowed ? source.maxBytes : bytesOf(images.slice(i));
          await stages.time("wait", () => makeRoomToScore(permit, heldBytes, signal));
          const outcome = await this.#outcomeOf(bytes, images.length > 1, resolved, asked, context);
          if (!source.isBorrowed) freeBytes(bytes);
          if ("imageSha256" in outcome) source.remember?.(outcome.imageSha256);
          yield outcome;
        }
        return;
      } finally {
        isReading = false;
        if (!source.isBorrowed) images.forEach(freeBytes);
        permit.release();
      }
    }
  }

  /**
   * Checks options against the live model, and the head that they name.
   * @throws ClassifierError
   */
  async resolve(options: RequestedOptions): Promise<ResolvedOptions> {
    const { classifier, heads } = this.#options;
    return resolveOptions(options, await classifier.host.pack(), heads);
  }

  /**
   * Returns the scores of an image whose hash is known, if the cache has them.
   * @throws ClassifierError
   */
  async recall(
    imageSha256: string,
    resolved: ResolvedOptions,
    { ifNoneMatch }: ScoreRequest,
    context: RequestContext,
  ): Promise<Scored | NotModified | undefined> {
    const current = notModified(imageSha256, resolved, ifNoneMatch);
    if (current) return current;
    const result = await this.#options.classifier.recall(imageSha256, resolved.pack, context.stages);
    return result && this.#scored({ imageSha256, result, cache: "HIT", options: resolved }, context);
  }

  /**
   * Scores an image that is in memory. The caller holds a permit for it and frees it.
   * @throws ClassifierError
   */
  async scoreImage(
    bytes: Uint8Array,
    resolved: ResolvedOptions,
    { options: requested, ifNoneMatch }: ScoreRequest,
    context: RequestContext,
  ): Promise<Scored | NotModified> {
    if (bytes.length === 0) throw new ClassifierError({ code: "empty_body" });
    const { classifier, heads } = this.#options;
    const imageSha256 = await context.stages.time("hash", () => sha256Hex(bytes));
    const current = notModified(imageSha256, resolved, ifNoneMatch);
    if (current) return current;
    const { pack, result, cache, decode, engine } = await classifier.score(
      { bytes, imageSha256, pack: resolved.pack },
      context.stages,
    );
    context.facts.decode = decode;
    context.facts.engine = engine;
    // Another version may have gone live while the image waited.
    const options = pack === resolved.pack ? resolved : await resolveOptions(requested, pack, heads);
    return this.#scored({ imageSha256, result, cache, options }, context);
  }

  async #outcomeOf(
    bytes: Uint8Array,
    isOneOfSeveral: boolean,
    resolved: ResolvedOptions,
    request: ScoreRequest,
    context: RequestContext,
  ): Promise<Scored | NotModified | Failed> {
    try {
      return await this.scoreImage(bytes, resolved, request, context);
    } catch (thrown) {
      if (!isOneOfSeveral) throw thrown;
      return { error: toClassifierError(thrown) };
    }
  }

  /** Decodes the head only now: a request that waits holds no head in memory. */
  async #scored(scored: Omit<Scored, "head" | "etag">, { facts }: RequestContext): Promise<Scored> {
    const { pack, head: named } = scored.options;
    const head = named && (await this.#options.heads.head(named.name, pack));
    // Another version of the head may have gone live while the image waited.
    const options = head ? { ...scored.options, head: headOf(head) } : scored.options;
    facts.cache = scored.cache;
    facts.model = `${pack.manifest.name}/${pack.manifest.version}`;
    if (options.head) facts.head = `${options.head.name}/${options.head.version}`;
    return { ...scored, options, head, etag: classificationETag(scored.imageSha256, options) };
  }

  /** Loads a cold model while a body arrives that takes longer than loading. */
  #preload({ maxBytes }: ImageSource, isReading: () => boolean): void {
    const { host } = this.#options.classifier;
    if (host.cold && maxBytes >= preloadBodyBytes) host.warmInBackground(isReading);
  }

  async #acquire(source: ImageSource, { stages, signal }: RequestContext): Promise<Permit> {
    const { admission } = this.#options;
    const demand = { bytes: firstReadBytes, maxBytes: source.maxBytes + requestOverheadBytes };
    try {
      return await stages.time("wait", () => admission.acquire(demand, signal));
    } catch (error) {
      source.cancel?.();
      throw error;
    }
  }
}

/**
 * Waits for the memory that scoring needs once the images are read, and gives back the rest.
 * @throws ClassifierError overloaded, body_interrupted
 */
function makeRoomToScore(permit: Permit, imageBytes: number, signal?: AbortSignal): Promise<void> {
  const bytes = imageBytes + requestOverheadBytes;
  permit.shrinkTo(bytes);
  return permit.growTo(bytes, signal);
}

function notModified(
  imageSha256: string,
  options: ResolvedOptions,
  ifNoneMatch: string | undefined,
): NotModified | undefined {
  if (ifNoneMatch === undefined) return undefined;
  const etag = classificationETag(imageSha256, options);
  return etagMatches(ifNoneMatch, etag) ? { notModified: true, etag } : undefined;
}

/** Returns the strong ETag of a classification. Image, versions and options determine every byte of the answer. */
export function classificationETag(imageSha256: string, options: ResolvedOptions): string {
  const { pack, head, unknown, k, functionToApply } = options;
  // The version of a pack covers its labels, its preprocessing and its temperature.
  const byHead = head ? `-${head.version}` : "";
  const byUnknown = unknown ? "-unknown" : "";
  return `"${imageSha256}-${pack.manifest.version}-${k}-${functionToApply}${byHead}${byUnknown}"`;
}

/** Whether If-None-Match names `etag`, by the weak comparison that GET requires (RFC 9110, 8.8.3.2 and 13.1.2). */
export function etagMatches(ifNoneMatch: string, etag: string): boolean {
  return ifNoneMatch.split(",").some((tag) => ["*", etag].includes(tag.trim().replace(/^W\//, "")));
}

function bytesOf(images: readonly Uint8Array[]): number {
  return images.reduce((sum, { length }) => sum + length, 0);
}

/**
 * From the bytes of one image to its scores, through the cache. Equal images at the same time are computed once. What a
 * request learns on the way goes into its context: stages and facts.
 */
import { freeBytes } from "../bytes/byte-arrays.ts";
import { type CachedResult, cacheKey, type TieredCache } from "../cache/result-cache.ts";
import { type Lead, RunQueue, SingleFlight, type WaitUntil } from "../concurrency/shared-work.ts";
import type { ClassifierError } from "../errors.ts";
import { isConvertible } from "../image/detect.ts";
import { type ImageTensor, imageToTensor } from "../image/preprocess.ts";
import type { DecodeLimits, DecodeScale } from "../image/rgb-image.ts";
import type { EngineName } from "../model/engine.ts";
import { type ModelHost, stallsAreUnavailable } from "../model/model-host.ts";
import type { Pack } from "../model/pack.ts";

/** One image, its SHA-256 in hex, and the pack that is live when it arrives. */
export interface ImageJob {
  readonly bytes: Uint8Array;
  readonly imageSha256: string;
  readonly pack: Pack;
}

export interface Computed {
  /** The pack that computed the result. Another one than the job's if a version went live meanwhile. */
  readonly pack: Pack;
  readonly result: CachedResult;
  readonly cache: CacheStatus;
  /** How the image was decoded. Undefined for results from the cache. */
  readonly decode?: DecodeScale | undefined;
  /** What ran the model. Undefined for results from the cache. */
  readonly engine?: EngineName;
}

/** The decode of a request that was cancelled may never end. The most expensive image takes a few seconds. */
const decodeStallMs = 10_000;

export interface ClassifierOptions {
  readonly host: ModelHost;
  readonly cache: TieredCache;
  readonly decoding: DecodeLimits;
  /** Converts the formats that the Worker cannot decode to JPEG. Throws ClassifierError. */
  readonly toJpeg: (bytes: Uint8Array) => Promise<Uint8Array>;
  /** Milliseconds to wait for an equal image that another request computes. */
  readonly coalesceWaitMs: number;
  readonly waitUntil: WaitUntil;
}

export class Classifier {
  readonly #options: ClassifierOptions;
  readonly #flights: SingleFlight<Computed>;
  /** A decode may wait for inflated data. Meanwhile no other image is decoded: the memory budget has room for one. */
  readonly #decodes = new RunQueue(decodeStallMs);

  constructor(options: ClassifierOptions) {
    this.#options = options;
    this.#flights = new SingleFlight({ stallMs: options.coalesceWaitMs, waitUntil: options.waitUntil });
  }

  get host(): ModelHost {
    return this.#options.host;
  }

  /**
   * Returns logits and features of one image.
   * @throws ClassifierError unsupported_image, image_undecodable, image_too_large, conversion_unavailable,
   *   model_unavailable
   */
  async score(job: ImageJob, stages: Stages): Promise<Computed> {
    // The cache look-up is part of the shared work. Outside, a slow look-up would let an equal image compute again.
    const flight = this.#flights.run(keyOf(job, job.pack), (lead) =>
      this.#lookUpOrCompute(job, stages, lead),
    );
    const { value, led } = await stallsAreUnavailable("classifying", flight);
    return value.cache === "HIT" || led ? value : { ...value, cache: "COALESCED" };
  }

  /** Returns the cached result of an image, if there is one. Never computes. */
  async recall(imageSha256: string, pack: Pack, stages: Stages): Promise<CachedResult | undefined> {
    const key = keyOf({ imageSha256 }, pack);
    const hit = await stages.time("cache", () => this.#options.cache.get(key, isResultOf(pack)));
    return hit?.result;
  }

  /** Runs `decode` while no other image is decoded. */
  decodeAlone<T>(decode: () => Promise<T>): Promise<T> {
    return this.#decodes.run(decode);
  }

  async #lookUpOrCompute(job: ImageJob, stages: Stages, lead: Lead): Promise<Computed> {
    const { pack } = job;
    const result = await this.recall(job.imageSha256, pack, stages);
    if (result) return { pack, result, cache: "HIT" };
    lead.progress();
    return this.#compute(job, stages, lead);
  }

  async #compute(job: ImageJob, stages: Stages, lead: Lead): Promise<Computed> {
    const { host, cache, decoding, toJpeg, waitUntil } = this.#options;
    const bytes = isConvertible(job.bytes)
      ? await stages.time("convert", () => toJpeg(job.bytes))
      : job.bytes;
    const toTensor = (pack: Pack): Promise<ImageTensor> =>
      this.decodeAlone(() => {
        lead.progress();
        // The caller may free the bytes of abandoned work.
        lead.signal.throwIfAborted();
        return imageToTensor(bytes, pack.manifest.preprocessing, decoding, lead.signal);
      });
    // Decode before waiting for the model: pixels are freed at once, and only the tensor stays in memory.
    const prepared = await stages.time("image", () => toTensor(job.pack));
    await stages.time("load", () => host.load());
    lead.progress();
    // Another version may have gone live, with another preprocessing.
    const prepare = async (running: Pack) =>
      (running === job.pack ? prepared : await toTensor(running)).tensor;
    const { pack, logits, features, engine } = await stages.time("run", () => host.infer(prepare));
    freeBytes(prepared.tensor);
    const { width, height, decode } = prepared;
    const result = { width, height, logits, features };
    waitUntil(cache.put(keyOf(job, pack), result));
    return { pack, result, cache: "MISS", decode, engine };
  }
}

function keyOf(
  { imageSha256 }: Pick<ImageJob, "imageSha256">,
  { manifest: { name, version } }: Pack,
): string {
  return cacheKey(imageSha256, name, version);
}

/** Whether a cached value can be a result of `pack`. A cache may return anything, and a wrong entry is a wrong answer. */
function isResultOf({ manifest }: Pack): (result: CachedResult) => boolean {
  return ({ width, height, logits, features }) =>
    width > 0 &&
    height > 0 &&
    logits.length === manifest.classes &&
    features.length === manifest.feature_size &&
    logits.every(Number.isFinite) &&
    features.every(Number.isFinite);
}

/** Where a result came from: the cache, a computation, or that of an equal image in another request. */
export type CacheStatus = "HIT" | "MISS" | "COALESCED";

/** Fields of the request's log line. Scoring fills them in; the adapter writes the line. */
export interface RequestFacts {
  /** Code of the error, where there was one. */
  code?: string;
  cache?: CacheStatus;
  /** Bytes of all images. */
  bytes?: number;
  decode?: DecodeScale | undefined;
  engine?: EngineName | undefined;
  /** Model that answered, as name/version. */
  model?: string;
  /** Head that answered, as name/version. */
  head?: string;
  error?: ClassifierError;
}

export interface RequestContext {
  /** Aborted when the caller disconnects. */
  readonly signal?: AbortSignal | undefined;
  readonly stages: Stages;
  readonly facts: RequestFacts;
}

/**
 * Milliseconds that each stage of a request took. In deployed Workers, clocks do not advance during CPU work, so only
 * waiting shows there. Local runs show both.
 */
export class Stages {
  readonly #ms = new Map<string, number>();

  /** Runs `work` and adds its duration to `stage`. */
  async time<T>(stage: string, work: () => T | Promise<T>): Promise<T> {
    const startedMs = performance.now();
    try {
      return await work();
    } finally {
      this.#ms.set(stage, (this.#ms.get(stage) ?? 0) + performance.now() - startedMs);
    }
  }

  /** Stage to milliseconds, in the order in which the stages first ended. */
  entries(): IterableIterator<[string, number]> {
    return this.#ms.entries();
  }
}

/** The pipeline: image bytes to scores, through the cache. */

import { freeBytes } from "../bytes/free-bytes.ts";
import { sha256Hex } from "../bytes/sha256.ts";
import { type CachedResult, cacheKey } from "../cache/result.ts";
import type { TieredCache } from "../cache/tiers.ts";
import { type Lead, SingleFlight, type WaitUntil } from "../concurrency/single-flight.ts";
import type { DecodeScale } from "../image/choose-scale.ts";
import type { DecodeLimits } from "../image/decode.ts";
import { imageToTensor } from "../image/preprocess.ts";
import type { ModelHost } from "../model/model-host.ts";
import type { Pack } from "../model/pack.ts";
import { stallsAreUnavailable } from "../model/unavailable.ts";
import type { Stages } from "../stages.ts";

export type CacheStatus = "HIT" | "MISS" | "COALESCED";

export interface Scored {
  readonly pack: Pack;
  readonly imageSha256: string;
  readonly result: CachedResult;
  readonly cache: CacheStatus;
  /** How the image was decoded, where it was. */
  readonly decode?: DecodeScale;
}

export interface ClassifierOptions {
  readonly host: ModelHost;
  readonly cache: TieredCache;
  readonly decoding: DecodeLimits;
  /** Turns PNG, WebP and AVIF into JPEG, or throws ClassifierError. */
  readonly toJpeg: (bytes: Uint8Array) => Promise<Uint8Array>;
  /** Milliseconds to wait for an equal image that another request computes. */
  readonly coalesceWaitMs: number;
  readonly waitUntil: WaitUntil;
}

/** One image on its way through. */
interface Job {
  readonly bytes: Uint8Array;
  readonly imageSha256: string;
  readonly pack: Pack;
  readonly stages: Stages;
}

interface Found {
  readonly pack: Pack;
  readonly result: CachedResult;
  /** Whether it stood in the cache. */
  readonly cached: boolean;
  readonly decode?: DecodeScale;
}

export class Classifier {
  readonly #options: ClassifierOptions;
  readonly #flights: SingleFlight<Found>;

  constructor(options: ClassifierOptions) {
    this.#options = options;
    this.#flights = new SingleFlight({ stallMs: options.coalesceWaitMs, waitUntil: options.waitUntil });
  }

  get host(): ModelHost {
    return this.#options.host;
  }

  /**
   * Logits and features of one JPEG. Equal images at the same time are computed once.
   * @throws ClassifierError unsupported_image, image_undecodable, image_too_large, model_unavailable
   */
  async score(bytes: Uint8Array, pack: Pack, stages: Stages): Promise<Scored> {
    const imageSha256 = await stages.time("hash", () => sha256Hex(bytes));
    const job = { bytes, imageSha256, pack, stages };
    // The look-up is part of the flight: one that is slower than the computation would else compute again.
    const flight = this.#flights.run(keyOf(job, pack), (lead) => this.#find(job, lead));
    const { value, led } = await stallsAreUnavailable("classifying", flight);
    const { cached, ...found } = value;
    return { ...found, imageSha256, cache: cached ? "HIT" : led ? "MISS" : "COALESCED" };
  }

  /** The scores of an image whose hash is known, where the cache has them: without its bytes. Never computes. */
  async recall(imageSha256: string, pack: Pack, stages: Stages): Promise<Scored | undefined> {
    const { name, version } = pack.manifest;
    const key = cacheKey(imageSha256, name, version);
    const hit = await stages.time("cache", () => this.#options.cache.get(key, holdsFor(pack)));
    return hit && { pack, imageSha256, result: hit.result, cache: "HIT" };
  }

  async #find(job: Job, lead: Lead): Promise<Found> {
    const { pack, stages } = job;
    const hit = await stages.time("cache", () => this.#options.cache.get(keyOf(job, pack), holdsFor(pack)));
    if (hit) return { pack, result: hit.result, cached: true };
    lead.progress();
    return this.#compute(job, lead);
  }

  async #compute(job: Job, lead: Lead): Promise<Found> {
    const { host, cache, decoding } = this.#options;
    const { pack, stages } = job;
    const bytes = await stages.time("convert", () => this.#options.toJpeg(job.bytes));
    const toTensor = (forPack: Pack) => imageToTensor(bytes, forPack.manifest.preprocessing, decoding);
    // Only the tensor is in memory while this waits for the model: the decode has freed all that it held.
    const prepared = await stages.time("image", () => toTensor(pack));
    await stages.time("load", () => host.load());
    lead.progress();
    // Another model may have gone live since: it gets a tensor of its own.
    const prepare = (running: Pack) => (running === pack ? prepared : toTensor(running)).tensor;
    const inference = await stages.time("run", () => host.infer(prepare));
    freeBytes(prepared.tensor);
    const { width, height, decode } = prepared;
    const result = { width, height, logits: inference.logits, features: inference.features };
    this.#options.waitUntil(cache.put(keyOf(job, inference.pack), result));
    return { pack: inference.pack, result, cached: false, decode };
  }
}

function keyOf(job: Job, { manifest }: Pack): string {
  return cacheKey(job.imageSha256, manifest.name, manifest.version);
}

/** A cache may return anything, also what once was a result of something else: it would be a wrong answer. */
function holdsFor({ manifest }: Pack): (result: CachedResult) => boolean {
  return ({ width, height, logits, features }) =>
    width > 0 &&
    height > 0 &&
    logits.length === manifest.classes &&
    features.length === manifest.feature_size &&
    logits.every(Number.isFinite) &&
    features.every(Number.isFinite);
}

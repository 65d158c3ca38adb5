/** The pipeline: image bytes to scores, through the cache. */
import { type CachedResult, cacheKey } from "./cache/result.ts";
import type { TieredCache } from "./cache/tiers.ts";
import type { DecodeLimits } from "./image/decode.ts";
import { imageToTensor } from "./image/preprocess.ts";
import type { ModelHost } from "./model/model-host.ts";
import type { Pack } from "./model/pack.ts";
import { modelUnavailable } from "./model/source.ts";
import { sha256Hex } from "./sha256.ts";
import { type Anchor, SingleFlight, StalledError } from "./single-flight.ts";
import type { Stages } from "./stages.ts";

export type CacheStatus = "HIT" | "MISS" | "COALESCED";

export interface Scored {
  readonly pack: Pack;
  readonly imageSha256: string;
  readonly result: CachedResult;
  readonly cache: CacheStatus;
}

export interface ClassifierOptions {
  readonly host: ModelHost;
  readonly cache: TieredCache;
  readonly limits: DecodeLimits;
  /** Milliseconds to wait for an equal image that another request computes. */
  readonly coalesceWaitMs: number;
}

interface Computed {
  readonly pack: Pack;
  readonly result: CachedResult;
}

export class Classifier {
  readonly #options: ClassifierOptions;
  readonly #flights: SingleFlight<Computed>;

  constructor(options: ClassifierOptions) {
    this.#options = options;
    this.#flights = new SingleFlight(options.coalesceWaitMs);
  }

  get host(): ModelHost {
    return this.#options.host;
  }

  /**
   * Logits and features of one JPEG. Equal images at the same time are computed once.
   * @throws ClassifierError unsupported_image, image_undecodable, image_too_large, model_unavailable
   */
  async score(bytes: Uint8Array, pack: Pack, stages: Stages, anchor: Anchor): Promise<Scored> {
    const imageSha256 = await stages.time("hash", () => sha256Hex(bytes));
    const { name, version } = pack.manifest;
    const key = cacheKey(imageSha256, name, version);
    const hit = await stages.time("cache", () => this.#options.cache.get(key));
    if (hit) return { pack, imageSha256, result: hit.result, cache: "HIT" };
    const compute = () => this.#compute(bytes, imageSha256, pack, stages, anchor);
    const { value, led } = await this.#join(key, compute, anchor);
    return { ...value, imageSha256, cache: led ? "MISS" : "COALESCED" };
  }

  async #join(key: string, compute: () => Promise<Computed>, anchor: Anchor) {
    try {
      return await this.#flights.run(key, compute, anchor);
    } catch (error) {
      if (error instanceof StalledError)
        throw modelUnavailable(`the forward pass made ${error.message}`, error);
      throw error;
    }
  }

  async #compute(
    bytes: Uint8Array,
    imageSha256: string,
    pack: Pack,
    stages: Stages,
    anchor: Anchor,
  ): Promise<Computed> {
    const { host, cache, limits } = this.#options;
    const toTensor = (forPack: Pack) => imageToTensor(bytes, forPack.manifest.preprocessing, limits);
    // The pixels are gone before the wait for the model begins: only the tensor stands in memory meanwhile.
    const { tensor, width, height } = await stages.time("image", () => toTensor(pack));
    await stages.time("load", () => host.load(anchor));
    const prepare = (running: Pack) => (running === pack ? tensor : toTensor(running).tensor);
    const inference = await stages.time("run", () => host.infer(prepare, anchor));
    const result = { width, height, logits: inference.logits, features: inference.features };
    const { name, version } = inference.pack.manifest;
    anchor(cache.put(cacheKey(imageSha256, name, version), result));
    return { pack: inference.pack, result };
  }
}

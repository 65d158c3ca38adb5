/** The whole HTTP app in Node, with real routes, images and caches. The model adds up its input; the bucket is in memory. */

import { timingSafeEqual } from "node:crypto";
import { MemoryTier, TieredCache } from "../../src/cache/result-cache.ts";
import { SeenImages } from "../../src/cache/seen-images.ts";
import { Classifier } from "../../src/classifier/classifier.ts";
import { Scorer } from "../../src/classifier/score.ts";
import { Admission } from "../../src/concurrency/admission.ts";
import { type Env, readConfig } from "../../src/config.ts";
import { HeadStore } from "../../src/head/head-store.ts";
import { createApp } from "../../src/http/app.ts";
import type { Services } from "../../src/http/context.ts";
import { maxInFlightBytes, smallRequestBytes } from "../../src/limits.ts";
import type { Engine } from "../../src/model/engine.ts";
import { ModelHost } from "../../src/model/model-host.ts";
import { onnxRuntimeEngine } from "../../src/model/sharded-session.ts";
import { BucketSource } from "../../src/storage/bucket-source.ts";
import { MemoryBucket } from "./memory-bucket.ts";
import { FakeRuntime, tinyName } from "./tiny-pack.ts";

type Log = Record<string, unknown>;

export class TinyApp {
  readonly bucket: MemoryBucket;
  readonly runtime = new FakeRuntime();
  readonly log: Log[] = [];
  readonly services: Services;
  readonly #app: ReturnType<typeof createApp>;
  readonly #work = new Set<Promise<unknown>>();

  /**
   * @param variables the deployment's variables
   * @param engine runs the model instead of `runtime`
   */
  constructor(bucket = new MemoryBucket(), variables: Partial<Env> = {}, engine?: Engine) {
    this.bucket = bucket;
    const log = (event: Log) => void this.log.push(event);
    const waitUntil = (work: Promise<unknown>) => this.#keep(work);
    const config = readConfig({ MODELS: bucket, MODEL_NAME: tinyName, ...variables });
    const source = new BucketSource(bucket);
    const host = new ModelHost({
      waitUntil,
      name: config.modelName,
      source,
      engine: engine ?? onnxRuntimeEngine(this.runtime),
      refreshMs: config.modelRefreshMs,
      log,
    });
    const cache = new TieredCache([new MemoryTier(1e6)], (tier) => log({ event: "cache_failed", tier }));
    const decoding = { maxPixels: 1e6, maxDecodeBytes: 1e7 };
    const heads = new HeadStore({ waitUntil, source, bucket, refreshMs: config.modelRefreshMs, log });
    const admission = new Admission({
      capacityBytes: maxInFlightBytes,
      reservedBytes: smallRequestBytes,
      maxWaiting: 64,
      maxWaitMs: 1000,
      leaseMs: 60_000,
    });
    const classifier = new Classifier({
      host,
      cache,
      decoding,
      toJpeg: async (bytes) => bytes,
      waitUntil,
      coalesceWaitMs: 1000,
    });
    this.services = {
      ...{ config, heads, admission, classifier },
      scorer: new Scorer({ admission, classifier, heads }),
      seenImages: new SeenImages({
        store: { get: async () => undefined, put: async () => {} },
        maxEntries: 10,
        timeoutMs: 100,
        onFailure: () => {},
      }),
      waitUntil,
      pictures: undefined,
    };
    this.#app = createApp({ services: () => this.services, log, timingSafeEqual });
  }

  async fetch(request: Request): Promise<Response> {
    const waitUntil = (work: Promise<unknown>) => this.#keep(work);
    const context = { waitUntil, passThroughOnException: () => {}, props: {} };
    return this.#app.fetch(request, {}, context);
  }

  #keep(work: Promise<unknown>): void {
    const kept = work.finally(() => this.#work.delete(kept)).catch(() => {});
    this.#work.add(kept);
  }

  /** Waits until all background work is done. */
  async settled(): Promise<void> {
    while (this.#work.size > 0) await Promise.all(this.#work);
  }
}

/** Worker entry and composition root: the only reader of env and of the ExecutionContext's global state. */
import { WorkerEntrypoint, waitUntil } from "cloudflare:workers";
import ortWasm from "onnxruntime-web/ort-wasm-simd-threaded.wasm";
import { CacheApiStore, KvStore } from "./cache/byte-stores.ts";
import { type CacheTier, MemoryTier, StoredTier, TieredCache } from "./cache/result-cache.ts";
import { SeenImages } from "./cache/seen-images.ts";
import { Classifier } from "./classifier/classifier.ts";
import { toJpeg } from "./classifier/convert.ts";
import { Scorer } from "./classifier/score.ts";
import { Admission } from "./concurrency/admission.ts";
import { type Config, type Env, readConfig } from "./config.ts";
import { HeadStore } from "./head/head-store.ts";
import { createApp } from "./http/app.ts";
import type { Services } from "./http/context.ts";
import {
  cacheTtlSeconds,
  coalesceWaitMs,
  decodeLimits,
  maxInFlightBytes,
  maxMemoryCacheBytes,
  smallRequestBytes,
} from "./limits.ts";
import { ModelHost, type ModelHostOptions } from "./model/model-host.ts";
import { createRuntime } from "./model/runtime.ts";
import { onnxRuntimeEngine } from "./model/sharded-session.ts";
import simdWasm from "./model/simd/kernels.wasm";
import { SimdEngine } from "./model/simd/simd-engine.ts";
import { consume, refuse } from "./pictures/consumer.ts";
import { createPictures, type Pictures } from "./pictures/pictures.ts";
import { ClassifierApi } from "./rpc/classifier-api.ts";
import type { ClassifyOptions, EmbedOptions, ImageBytes, ImageClassifier, RunInput } from "./rpc/contract.ts";
import { BucketSource, CachedSource, type PackSource } from "./storage/bucket-source.ts";

interface Composition {
  readonly app: ReturnType<typeof createApp>;
  readonly services: () => Services;
}

/** One an isolate. Made at the first event, so that nothing runs in global scope. */
let worker: Composition | undefined;
/**
 * Host of the latest HTTP request. Each one routes to this Worker, so any will do. Undefined in an isolate that has had
 * only RPC calls and cron events. Requests to ClassifierService do not count: other Workers choose their hosts.
 */
let requestHost: string | undefined;

export default {
  fetch(request, env, ctx) {
    requestHost = new URL(request.url).hostname;
    return compositionOf(env).app.fetch(request, env, ctx);
  },

  /** Optional cron trigger: keeps the isolate that it meets warm. */
  async scheduled(_event, env) {
    await compositionOf(env)
      .services()
      .classifier.host.warm(() => true);
  },

  /** Labels the objects of the bucket PICTURES. */
  async queue(batch, env) {
    let pictures: Pictures | undefined;
    try {
      pictures = compositionOf(env).services().pictures;
    } catch (error) {
      return refuse(batch, error, log);
    }
    if (pictures) await consume(batch, { ...pictures, log });
    else refuse(batch, new Error("no bucket is bound as PICTURES"), log);
  },
} satisfies ExportedHandler<Env>;

/** For other Workers: a service binding with `entrypoint = "ClassifierService"` calls these methods, or fetches. */
export class ClassifierService extends WorkerEntrypoint<Env> implements ImageClassifier {
  override fetch(request: Request) {
    return compositionOf(this.env).app.fetch(request, this.env, this.ctx);
  }

  classify(image: ImageBytes, options?: ClassifyOptions) {
    return apiOf(this.env).classify(image, options);
  }

  embed(image: ImageBytes, options?: EmbedOptions) {
    return apiOf(this.env).embed(image, options);
  }

  run(model: string, input: RunInput) {
    return apiOf(this.env).run(model, input);
  }
}

function compositionOf(env: Env): Composition {
  worker ??= compose(env);
  return worker;
}

function apiOf(env: Env): ClassifierApi {
  return new ClassifierApi({ services: compositionOf(env).services, log });
}

function compose(env: Env): Composition {
  let made: Services | undefined;
  const services = () => {
    made ??= createServices(env);
    return made;
  };
  const { RATE_LIMITER: rateLimiter, ANALYTICS: analytics } = env;
  const timingSafeEqual = (a: Uint8Array, b: Uint8Array) => crypto.subtle.timingSafeEqual(a, b);
  return { app: createApp({ log, services, rateLimiter, analytics, timingSafeEqual }), services };
}

function createServices(env: Env): Services {
  const config = readConfig(env);
  const cacheApi = new CacheApiStore({
    cache: caches.default,
    ttlSeconds: cacheTtlSeconds,
    host: () => config.cacheHost ?? requestHost,
  });
  const cached = (source: PackSource, tier: string) =>
    new CachedSource({ source, cache: cacheApi, onFailure: cacheFailed(tier), waitUntil });
  const host = new ModelHost({
    name: config.modelName,
    source: cached(new BucketSource(env.MODELS), "pack"),
    ...enginesOf(config),
    refreshMs: config.modelRefreshMs,
    log,
    waitUntil,
  });
  const headObjects = new BucketSource(env.MODELS, "push the head again (npm run head -- push)");
  const heads = new HeadStore({
    source: cached(headObjects, "head"),
    bucket: env.MODELS,
    refreshMs: config.modelRefreshMs,
    log,
    waitUntil,
  });
  const tiers: CacheTier[] = [new MemoryTier(maxMemoryCacheBytes), new StoredTier("cache-api", cacheApi)];
  if (env.RESULTS) tiers.push(new StoredTier("kv", new KvStore(env.RESULTS, config.resultsTtlSeconds)));
  const cache = new TieredCache(tiers, (tier, operation, error) => cacheFailed(tier)(operation, error));
  const convert = (bytes: Uint8Array) => toJpeg(bytes, env.IMAGES, maxInFlightBytes);
  const admission = new Admission({ capacityBytes: maxInFlightBytes, reservedBytes: smallRequestBytes });
  const seenImages = new SeenImages({ store: cacheApi, onFailure: cacheFailed("seen") });
  const classifier = new Classifier({
    ...{ host, cache, decoding: decodeLimits },
    ...{ toJpeg: convert, coalesceWaitMs, waitUntil },
  });
  const scorer = new Scorer({ admission, classifier, heads });
  const pictures = createPictures(env, { config, scorer });
  return { config, admission, heads, seenImages, waitUntil, classifier, scorer, pictures };
}

/** The engine of this project runs what it supports, unless ENGINE says that ONNX Runtime runs everything. */
function enginesOf({ engine }: Config): Pick<ModelHostOptions, "engine" | "fallback"> {
  const onnxRuntime = onnxRuntimeEngine(createRuntime(ortWasm));
  return engine === "simd"
    ? { engine: new SimdEngine(simdWasm), fallback: onnxRuntime }
    : { engine: onnxRuntime };
}

function cacheFailed(tier: string): (operation: string, error: unknown) => void {
  return (operation, error) => log({ event: "cache_failed", tier, operation, reason: String(error) });
}

function log(event: Readonly<Record<string, unknown>>): void {
  console.log(JSON.stringify(event));
}

/** Worker entry and composition root: the only reader of env and of the ExecutionContext's global state. */
import jpegWasm from "imagescript/wasm/any/jpeg.wasm";
import ortWasm from "onnxruntime-web/ort-wasm-simd-threaded.wasm";
import { Admission } from "./admission.ts";
import { CacheApiTier } from "./cache/cache-api-tier.ts";
import { MemoryTier } from "./cache/memory-tier.ts";
import { TieredCache } from "./cache/tiers.ts";
import { Classifier } from "./classify.ts";
import { type Env, readConfig } from "./config.ts";
import { toJpeg } from "./convert.ts";
import { createApp, type Services } from "./http/app.ts";
import { ScaledDecoder } from "./image/scaled-decoder.ts";
import {
  admissionLeaseMs,
  cacheTtlSeconds,
  coalesceWaitMs,
  maxAdmissionWaitMs,
  maxDecodeBytes,
  maxImagePixels,
  maxInFlightBytes,
  maxMemoryCacheBytes,
  maxWaitingRequests,
} from "./limits.ts";
import { ModelHost } from "./model/model-host.ts";
import { createRuntime } from "./model/runtime.ts";
import { BucketSource } from "./model/source.ts";

type App = ReturnType<typeof createApp>;

/** One app an isolate. Made at the first request, so that nothing runs in global scope. */
let app: App | undefined;

export default {
  fetch(request, env, ctx) {
    app ??= compose(env);
    return app.fetch(request, env, ctx);
  },
} satisfies ExportedHandler<Env>;

function compose(env: Env): App {
  let services: Services | undefined;
  return createApp({ log, services: () => (services ??= createServices(env)) });
}

function createServices(env: Env): Services {
  const config = readConfig(env);
  const host = new ModelHost({
    name: config.modelName,
    source: new BucketSource(env.MODELS),
    runtime: createRuntime(ortWasm),
    refreshMs: config.modelRefreshMs,
    log,
  });
  const tiers = [new MemoryTier(maxMemoryCacheBytes), new CacheApiTier(caches.default, cacheTtlSeconds)];
  const cache = new TieredCache(tiers, (tier, operation, error) => {
    log({ event: "cache_failed", tier, operation, reason: String(error) });
  });
  const decoding = { maxPixels: maxImagePixels, maxDecodeBytes, scaled: new ScaledDecoder(jpegWasm) };
  const convert = (bytes: Uint8Array) => toJpeg(bytes, env.IMAGES, maxInFlightBytes);
  const admission = new Admission({
    capacityBytes: maxInFlightBytes,
    maxWaiting: maxWaitingRequests,
    maxWaitMs: maxAdmissionWaitMs,
    leaseMs: admissionLeaseMs,
  });
  return {
    config,
    admission,
    classifier: new Classifier({ host, cache, decoding, toJpeg: convert, coalesceWaitMs }),
  };
}

function log(event: Readonly<Record<string, unknown>>): void {
  console.log(JSON.stringify(event));
}

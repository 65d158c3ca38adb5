/** The real Worker with dependencies that fail as `PUT /.faults` sets. `POST /.faults/heap` overwrites the engine's memory. */

import type { ImageConverter } from "../../../src/classifier/convert.ts";
import type { AnalyticsDataset, Env, RateLimiter } from "../../../src/config.ts";
import worker from "../../../src/index.ts";
import type { Faults, Seen } from "./faults.ts";
import { FaultyBucket, FaultyCache, FaultyNamespace, never } from "./stores.ts";

let faults: Faults = {};
const getFaults = () => faults;
const cache = new FaultyCache(getFaults);
const results = new FaultyNamespace(getFaults);
/** The result of a successful conversion: the last body that was sent to /.faults/jpeg. */
let jpeg = new Uint8Array(0);
let bucket: FaultyBucket | undefined;
const engineMemories = new Set<WebAssembly.Memory>();

Object.defineProperty(globalThis, "caches", { value: { default: cache } });

/** Remembers the memory of each engine: ONNX Runtime imports it from `a`, the SIMD engine from `env`. */
WebAssembly.Instance = new Proxy(WebAssembly.Instance, {
  construct(Instance, [module, imports]: [WebAssembly.Module, WebAssembly.Imports?]) {
    const instance = new Instance(module, imports);
    for (const value of Object.values({ ...imports?.a, ...imports?.env }))
      if (value instanceof WebAssembly.Memory) engineMemories.add(value);
    return instance;
  },
});

const limiter: RateLimiter = {
  limit: async () => {
    if (faults.limiter === "throws") throw new Error("no counter");
    if (faults.limiter === "hangs") return never();
    if (faults.limiter === "garbage") return {} as { success: boolean };
    return { success: faults.limiter !== "refuses" };
  },
};

const analytics: AnalyticsDataset = {
  writeDataPoint: () => {
    if (faults.analytics === "throws") throw new Error("no dataset");
  },
};

const images: ImageConverter = {
  input: () => ({
    output: async () => {
      if (faults.images === "throws") throw new Error("internal error");
      if (faults.images === "refuses") throw Object.assign(new Error("bad image"), { code: 9412 });
      if (faults.images === "hangs") return never();
      return { image: converted };
    },
  }),
};

function converted(): ReadableStream<Uint8Array> {
  if (faults.images === "garbage") return new Blob(["<html>"]).stream();
  if (faults.images === "empty") return new Blob([]).stream();
  if (faults.images !== "cut") return new Blob([jpeg]).stream();
  let pulls = 0;
  return new ReadableStream({
    pull: (controller) => {
      if (pulls++ === 0) controller.enqueue(jpeg.slice(0, 100));
      else controller.error(new Error("Network connection lost."));
    },
  });
}

function seen(): Seen {
  return {
    bucketReads: bucket?.reads ?? [],
    cacheKeys: [...cache.map.stored.keys()],
    kvKeys: [...results.map.stored.keys()],
  };
}

async function control(request: Request, pathname: string): Promise<Response> {
  if (pathname === "/.faults/heap") {
    for (const { buffer } of engineMemories) new Uint8Array(buffer).fill(0xff);
  } else if (pathname === "/.faults/jpeg") jpeg = new Uint8Array(await request.arrayBuffer());
  else if (request.method === "PUT") {
    faults = (await request.json()) as Faults;
    if (bucket) bucket.reads = [];
  }
  return Response.json(seen());
}

export default {
  fetch(request, env, ctx) {
    const { pathname } = new URL(request.url);
    if (pathname.startsWith("/.faults")) return control(request, pathname);
    bucket ??= new FaultyBucket(env.MODELS, getFaults);
    const faulty = {
      ...env,
      MODELS: bucket,
      RESULTS: results,
      RATE_LIMITER: limiter,
      ANALYTICS: analytics,
      IMAGES: images,
    };
    return worker.fetch(request, faulty, ctx);
  },
} satisfies ExportedHandler<Env>;

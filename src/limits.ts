/**
 * The memory budget, and the bounds that several files share: the unit in each name, the reason in its comment. Imports
 * nothing. A bound that one file uses is a constant of that file. Deployments change some by variables: see config.ts.
 */
const MiB = 1024 * 1024;

/** Memory of an isolate: the JS heap and all WASM memories, shared by all requests (Cloudflare's limit of 128 MB). */
export const isolateBytes = 128_000_000;
/**
 * How that memory is divided. The parts add up to 120 MiB, 2 MiB below the limit. workerd does not enforce the limit
 * locally, so test/worker/memory.test.ts measures the memory.
 */
export const memoryBudget = {
  /** The model in WASM memory, and shards in the JS heap while it loads. engineBudget divides them for each engine. */
  modelAndLoadingBytes: 66 * MiB,
  /** Request bodies, and what each request needs besides its body. */
  inFlightBytes: 18 * MiB,
  /** Decoding one image. Images are decoded one at a time. */
  decodeBytes: 8 * MiB,
  /** The code, the caches, and garbage that is not collected yet. */
  restBytes: 28 * MiB,
} as const;

/** How each engine divides modelAndLoadingBytes. */
export const engineBudget = {
  simd: {
    /** The engine's memory: weights as they are in the pack, and activations. */
    modelBytes: 40 * MiB,
    /** Shards that are read at once, before they are copied into the engine's memory. */
    loadingBytes: 26 * MiB,
  },
  onnxruntime: {
    /** WASM heap of ONNX Runtime with one model. */
    modelBytes: 56 * MiB,
    /** Two shards of the default size. */
    loadingBytes: 10 * MiB,
  },
} as const;

/** Bytes that all requests in flight may hold. */
export const maxInFlightBytes = memoryBudget.inFlightBytes;
/** Bytes that scoring one image needs besides the image: the input tensor (0.57 MiB at 224 pixels) and objects. */
export const requestOverheadBytes = 768 * 1024;
/** Largest body that counts as small. Most images on web pages are below it. */
export const maxSmallBodyBytes = 512 * 1024;
/** Bytes in flight reserved for requests with a small body, so that an upload of 16 MiB does not block them. */
export const smallRequestBytes = requestOverheadBytes + maxSmallBodyBytes;
/** Bytes that a request holds before its body arrives: the first read buffer. About 250 silent clients fill the budget. */
export const firstReadBytes = 64 * 1024;
/** Default of MAX_IMAGE_BYTES. A 24-megapixel phone photo has 5 to 12 MiB. */
export const defaultMaxImageBytes = 16 * MiB;
/** Largest value of MAX_IMAGE_BYTES: one image must fit into the budget besides the reserve for small requests. */
export const maxImageBytesCeiling = maxInFlightBytes - smallRequestBytes - requestOverheadBytes;
/**
 * Memory of an image in JSON, over the bytes of its body: the text, at worst in UTF-16 (2), the base64 in it (1) and
 * what that decodes to (0.75).
 */
export const jsonBodyFactor = 4;
/** Bytes of a JSON body with an image: what the factor leaves of the room in flight, an image of about 3 MiB. */
export const maxJsonBodyBytes = Math.floor(maxImageBytesCeiling / jsonBodyFactor);

/** Pixels of one image. Phones take photos of up to 50 megapixels without stitching. */
export const maxImagePixels = 50_000_000;
/** Bytes that decoding one image may allocate. Each decoder computes its bytes before it allocates any. */
export const maxDecodeBytes = memoryBudget.decodeBytes;
/** What decoding one image may cost, in the Worker and in the tools that must decode like the Worker. */
export const decodeLimits = { maxPixels: maxImagePixels, maxDecodeBytes } as const;

/**
 * Bytes of manifest.json, current.json or labels.json. ImageNet's 1000 labels take 50 KB. Parsing needs several times the
 * size of the JSON, which counts towards restBytes.
 */
export const maxModelJsonBytes = 1 * MiB;
/** Bytes of one shard. Two shards are in the JS heap while a model loads. */
export const maxShardBytes = 8 * MiB;

/**
 * Bytes of one head file: 190 classes on 512 features with their class means, 380 without. Reading a head creates garbage
 * of several times its size: eight heads of this size, read in turns, raise the JS heap to 57 MiB; heads of 2 MiB to 95.
 */
export const maxHeadBytes = 1 * MiB;
/** Bytes of decoded heads in the isolate, part of restBytes: about 70 heads of ten classes, or four of the largest. */
export const maxHeadMemoryBytes = 3 * MiB;
/** Backbone versions on which one head may be live: the live one, the next one, and those kept for rollback. */
export const maxHeadBackbones = 16;
/** Versions in a head's history. Older ones stay in the bucket; `head push` makes them live again. */
export const maxHeadHistory = 100;

/** Age after which a request triggers a background version check: one R2 read per isolate and interval. */
export const defaultModelRefreshMs = 60_000;
/** Time without progress (an R2 read, a new session) after which a load of the model or of a head counts as abandoned. */
export const modelLoadStallMs = 10_000;
/** Time a request waits for another request that computes the same image, before it computes itself. */
export const coalesceWaitMs = 15_000;
/** Retry-After of a 503. A cold load takes less than a second. */
export const retryAfterSeconds = 2;

/** Bytes of the in-memory result cache. A result of 1000 logits and 512 features takes about 6 KB. */
export const maxMemoryCacheBytes = 3 * MiB;

/** Lifetime of a result in the caches. Its key names image and model version, so a result never becomes stale. */
export const cacheTtlSeconds = 30 * 24 * 60 * 60;

/**
 * Every bound of the Worker: its unit in its name, its reason beside it. Imports nothing.
 * The ones a deployment may change are defaults of variables read in config.ts.
 */
const MiB = 1024 * 1024;

/** Memory of an isolate: JS heap and WASM memories together, shared by all requests (Cloudflare's limit, in MB). */
export const isolateBytes = 128_000_000;
/**
 * How it is shared out. The parts add up to 120 MiB, 2 MiB less than the limit; workerd does not enforce it locally, so
 * test/worker/memory.test.ts measures it.
 */
export const memoryBudget = {
  /** ORT's WASM heap with one model: `npm run model -- pack` refuses what needs more. */
  modelBytes: 56 * MiB,
  /** Two shards in the JS heap while a model loads, as packs are cut by default. */
  loadingBytes: 10 * MiB,
  /** Request bodies, with what each request needs beside its body. */
  inFlightBytes: 18 * MiB,
  /** Decoding one image, row by row; one is decoded at a time. */
  decodeBytes: 8 * MiB,
  /** The code, the result cache, and garbage not yet collected. */
  restBytes: 28 * MiB,
} as const;

/** Bytes of request bodies in flight. */
export const maxInFlightBytes = memoryBudget.inFlightBytes;
/** Bytes that scoring one image needs beside the image: the input tensor (0.57 MiB at 224 pixels) and objects. */
export const requestOverheadBytes = 768 * 1024;
/** Bytes of a body that counts as small. Most images on web pages do. */
export const maxSmallBodyBytes = 512 * 1024;
/**
 * Bytes in flight that only requests with a small body may use, so that one upload of 16 MiB leaves room for them. It is
 * what the largest image leaves of the room in flight.
 */
export const smallRequestBytes = requestOverheadBytes + maxSmallBodyBytes;
/**
 * Bytes of a request whose body has not begun to arrive: its first read buffer. 250 clients that send nothing fill the
 * room in flight.
 */
export const firstReadBytes = 64 * 1024;
/** Bytes of one image. A 24-megapixel phone photo is 5 to 12 MiB. */
export const defaultMaxImageBytes = 16 * MiB;
/** The most that MAX_IMAGE_BYTES may be set to: one image must fit the room in flight, beside the reserve. */
export const maxImageBytesCeiling = maxInFlightBytes - smallRequestBytes - requestOverheadBytes;
/**
 * Memory of an image in JSON, over the bytes of its body: the text, at worst in UTF-16 (2), the base64 in it (1) and
 * what that decodes to (0.75).
 */
export const jsonBodyFactor = 4;
/** Bytes of a JSON body with an image: what the factor leaves of the room in flight, an image of about 3 MiB. */
export const maxJsonBodyBytes = Math.floor(maxImageBytesCeiling / jsonBodyFactor);
/** Bytes of an image that the middleware holds in another Worker's memory: many may be under way there at once. */
export const defaultMiddlewareMaxBytes = 8 * MiB;
/** Bytes of a body by which the middleware tells whether it is an image: prologs of SVG files have about 1 KiB. */
export const imageStartBytes = 8 * 1024;
/** Time that the middleware gives the classifier: a cold one answers in about a second, a busy one in several. */
export const defaultClassifyTimeoutMs = 10_000;
/** Requests that may wait, unread, for room. At 0.1 s each the last one waits about 6 s. */
export const maxWaitingRequests = 64;
/** Time that a request may wait for room. */
export const maxAdmissionWaitMs = 20_000;
/** Time without activity after which a request's bytes count as given back: longer than any request is idle. */
export const admissionLeaseMs = 180_000;

/** URLs of which an isolate keeps what they gave: about half a kilobyte each. */
export const maxSeenImages = 1000;

/** Pixels of one image: phones make up to 50 megapixels without stitching. */
export const maxImagePixels = 50_000_000;
/**
 * Pixels up to which an image is decoded at full size, so that ordinary web photographs have exactly libjpeg's pixels. It bounds
 * CPU: full size takes about 25 ns a pixel, 33 ms at this limit, and memory does not depend on it. Larger images are decoded at the
 * least scale that covers the model's input.
 */
export const maxFullScalePixels = 1_310_720;
/** Bytes that decoding one image may take, as image/decode-cost.ts counts; one is decoded at a time. */
export const maxDecodeBytes = memoryBudget.decodeBytes;
/** What decoding one image may cost, in the Worker and in the tools that must decode as it does. */
export const decodeLimits = { maxPixels: maxImagePixels, maxDecodeBytes } as const;
/**
 * Visits of the average block, over all scans: the decoder visits each block in each scan, even where a scan codes it in no
 * bits. libjpeg's progressive script makes 6, mozjpeg's at most about 12. 16 leaves room and ends scan bombs.
 */
export const maxVisitsPerBlock = 16;
/**
 * Visits of blocks in one image: 16 MiB hold a bit for each of 100 million, seconds of CPU that cannot be interrupted.
 * 50 megapixels at 4:4:4 have 2.3 million blocks, 28 million visits with mozjpeg's script.
 */
export const maxBlockVisits = 32_000_000;
/**
 * Bytes of Huffman tables. Building the tree of a 22-byte table costs microseconds, so that 16 MiB of them would cost
 * seconds. 32 scans with eight full tables each, more than any encoder writes, need 70 KB.
 */
export const maxHuffmanTableBytes = 128 * 1024;

/**
 * Bytes of manifest.json, current.json or labels.json. ImageNet's 1000 labels take 50 KB; parsing JSON takes several
 * times its size, and restBytes has to hold that.
 */
export const maxModelJsonBytes = 1 * MiB;
/** UTF-16 code units of a label or of its id. ImageNet's longest label has 121. */
export const maxLabelChars = 256;
/** Values that a warm-up may make of zeros: a last shard takes 25,088 at 224 pixels, and a shape is what a file claims. */
export const maxWarmUpValues = 1024 * 1024;
/** Bytes of one shard: two of them stand in the JS heap while a model loads. */
export const maxShardBytes = 8 * MiB;
/** Shards of one model: ResNet34 needs 6; beyond this the session overhead outweighs what sharding saves. */
export const maxShards = 64;

/**
 * Bytes of one head file: 190 classes on 512 features with their class means, 380 without. Reading one makes several times
 * its size of garbage: eight of this size in turns, more than are held, took the JS heap to 57 MiB; of 2 MiB, to 95.
 */
export const maxHeadBytes = 1 * MiB;
/** Temperatures of a head. The trainer fits 0.01 to 100; beyond 1000 times sharper or flatter, every answer is the same. */
export const headTemperatureRange = { min: 1e-3, max: 1e3 } as const;
/**
 * Largest absolute value of a head's weights and biases. With 100,000 features of up to 1e20 each and the lowest
 * temperature, a logit stays below 1e34, within float32 (3.4e38).
 */
export const maxHeadValue = 1e6;
/** Bytes of decoded heads in the isolate, of restBytes: some seventy heads of ten classes, or four of the largest. */
export const maxHeadMemoryBytes = 3 * MiB;
/** Heads of which an isolate keeps what is live: at most about 4 KB each. */
export const maxKnownHeads = 256;
/** Names of heads that an isolate keeps to tell those that are none, one page of R2's list: 64 characters each at most. */
export const maxHeadNames = 1000;
/** Backbone versions for which one head may be live at the same time: the live one, the next, and those to go back to. */
export const maxHeadBackbones = 16;
/** Versions in a head's history: older ones stay in the bucket, and `head push` makes them live again. */
export const maxHeadHistory = 100;
/** Time for which a head that fits no live backbone is believed to: its Retry-After. */
export const headMismatchRetrySeconds = 2;

/** Time after which a request has the bucket asked what is live: one R2 read an isolate, at most once in that time. */
export const defaultModelRefreshMs = 60_000;
/** Time for which a live version that did not load is left alone: trying takes the old model out of service. */
export const refusedModelRetryMs = 5 * 60_000;
/** Time without any progress (an R2 read, a session) after which a model load counts as abandoned. */
export const modelLoadStallMs = 10_000;
/** Time a run may wait for the run before it. The longest run is about 0.2 s; beyond this its owner is gone. */
export const runStallMs = 10_000;
/** Time a request waits for another request that computes the same image, before it computes itself. */
export const coalesceWaitMs = 15_000;
/** Retry-After of a 503: one cold load takes about a second. */
export const retryAfterSeconds = 2;

/** Characters of an API key: 16 of 64 kinds are 96 bits, beyond guessing. */
export const minApiKeyChars = 16;

/** Entries of the in-memory result cache: 1000 logits and 512 features are 6 KB, so at most about 3 MiB. */
export const maxMemoryCacheBytes = 3 * MiB;

/** Time for which a cache that did not answer in time is left alone: else each request would wait for it anew. */
export const cacheRestMs = 30_000;
/** Time a cache tier has to answer. Computing anew takes about 0.1 s, so a slower cache is none. */
export const cacheTimeoutMs = 2_000;
/** Shortest lifetime that KV takes. */
export const minKvTtlSeconds = 60;
/** Lifetime of a result in the Cache API. The key names image and model, so a result never goes stale. */
export const cacheTtlSeconds = 30 * 24 * 60 * 60;

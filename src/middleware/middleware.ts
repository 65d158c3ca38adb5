/**
 * Classifies the images of a Worker's responses: adds headers with the label, and lets a policy replace a response. For a
 * plain fetch handler; hono.ts has the same for Hono.
 *
 * The middleware holds at most `maxBytes` of an image. A larger image streams through unclassified, or is withheld if
 * `onError` is "closed". With "closed", the middleware inspects every body, whatever its headers say.
 */
import { settleWithin, timedOut } from "../concurrency/timeout.ts";
import { startsAsImage, startsAsText } from "../image/detect.ts";
import type { ClassifyOptions, ImageClassifier, Prediction } from "../rpc/contract.ts";
import { imageHeaders, withheld } from "./image-response.ts";

/** Default of `maxBytes`. Many images may be in the memory of the other Worker at once. */
const defaultMaxBytes = 8 * 1024 * 1024;
/** Default of `timeoutMs`. A cold classifier answers within a second, a busy one in several. */
const defaultTimeoutMs = 10_000;
/** Bytes by which the middleware detects an image. Prologs of SVG files have about 1 KiB. */
const imageStartBytes = 8 * 1024;

/** What the middleware calls: a service binding to `ClassifierService`, or any object with the same method. */
export type ClassifierStub = Pick<ImageClassifier, "classify">;

/**
 * Decides by the predictions, best first. A returned Response replaces the image (block, redirect, rewrite); undefined lets
 * the image through. `response` is the image as it would be sent.
 */
export type ImagePolicy = (
  predictions: readonly Prediction[],
  request: Request,
  response: Response,
) => Response | undefined | Promise<Response | undefined>;

/** Options of classifyImages. Only `classifier` is required. */
export interface ClassifyImagesOptions<Env = unknown> {
  /** The classifier, or a function that returns it from env. */
  readonly classifier: ClassifierStub | ((env: Env) => ClassifierStub);
  /**
   * Selects the responses to classify. Default: those of Content-Type image/*. With `onError` "closed", it only adds to
   * the images that the middleware detects by their bytes or type.
   */
  readonly match?: (request: Request, response: Response) => boolean;
  /** Number of predictions that the policy receives. Default: 5, or all if there are fewer. */
  readonly topK?: number;
  /** Name of a head whose classes to predict. Default: the model's own classes. */
  readonly head?: string;
  /** Whether to add X-Image-Label and X-Image-Score of the best prediction. Default: true. */
  readonly annotate?: boolean;
  /** Decides what to send instead of an image. Default: every image passes. */
  readonly policy?: ImagePolicy;
  /**
   * What to do with an image that cannot be classified. "open" sends it with X-Image-Classify-Error; "closed" answers 503
   * instead. With "closed", every response whose bytes match an image format or whose type is image/* must be classified,
   * whatever its status; docs/edge.md has the whole rule. Default: "open".
   */
  readonly onError?: "open" | "closed";
  /** Largest image, in bytes, that is held in memory and classified. Default: 8 MiB. */
  readonly maxBytes?: number;
  /** Milliseconds to wait for the classifier. Default: 10,000. */
  readonly timeoutMs?: number;
}

type FetchHandler<R extends Request, Env, Context> = (
  request: R,
  env: Env,
  context: Context,
) => Response | Promise<Response>;

/**
 * Wraps a fetch handler, so that it classifies the images of its responses.
 * @example export default { fetch: classifyImages({ classifier: (env) => env.CLASSIFIER })(handler) }
 * @throws RangeError at once, if maxBytes or timeoutMs is not a positive integer
 */
export function classifyImages<Env = unknown>(options: ClassifyImagesOptions<Env>) {
  const judge = imageJudge(options);
  return <R extends Request, Context>(fetch: FetchHandler<R, Env, Context>): FetchHandler<R, Env, Context> =>
    async (request, env, context) =>
      judge(request, await fetch(request, env, context), env);
}

/** Why an image was not classified: an error code of the classifier, or one of these. */
type Unclassified =
  | "image_too_large"
  | "partial_content"
  | "content_encoding"
  | "image_interrupted"
  | "classifier_timeout"
  | "classifier_unavailable"
  | "policy_failed"
  | (string & {});

/**
 * Returns a function that returns what to send for a response: the response itself unless it is an image to classify.
 * @throws RangeError at once, if maxBytes or timeoutMs is not a positive integer
 */
export function imageJudge<Env>(options: ClassifyImagesOptions<Env>) {
  const { match = hasImageType, annotate = true, policy, onError = "open" } = options;
  const wanted = {
    ...(options.topK === undefined ? {} : { topK: options.topK }),
    ...(options.head === undefined ? {} : { head: options.head }),
  };
  const maxBytes = positiveInteger("maxBytes", options.maxBytes ?? defaultMaxBytes);
  const timeoutMs = positiveInteger("timeoutMs", options.timeoutMs ?? defaultTimeoutMs);

  return async (request: Request, response: Response, env: Env): Promise<Response> => {
    // Responses to HEAD and 304 responses contain no image.
    if (!response.body || request.method === "HEAD") return response;
    const isClosed = onError === "closed";
    const isChosen = (isClosed || response.ok) && match(request, response);
    if (!isClosed && !isChosen) return response;

    const start = new BodyStart(response.body);
    const unclassified = (code: Unclassified, body: BodyInit | null) => {
      if (isClosed) {
        if (body instanceof ReadableStream) body.cancel().catch(() => {});
        return withheld(code);
      }
      return rebuilt(response, body, imageHeaders(response.headers, { error: code }));
    };
    const content = isChosen ? "image" : await contentOf(response, start);
    if (content === "no image") return new Response(start.stream(), response);
    // A part of an image cannot be classified. An image announced as too large is not read at all.
    if (response.status === 206) return unclassified("partial_content", start.stream());
    if (content === "encoded") return unclassified("content_encoding", start.stream());
    if (Number(response.headers.get("Content-Length")) > maxBytes)
      return unclassified("image_too_large", start.stream());

    const read = await start.readUpTo(maxBytes);
    if (!read.whole) {
      return unclassified(read.broken ? "image_interrupted" : "image_too_large", read.stream);
    }
    const { bytes } = read;
    const result = await classify(options.classifier, env, bytes, wanted, timeoutMs);
    if ("error" in result) return unclassified(result.error, bytes);

    const [best] = result.predictions;
    const image = () =>
      rebuilt(response, bytes, imageHeaders(response.headers, annotate && best ? { best } : {}));
    if (!policy) return image();
    try {
      return (await policy(result.predictions, request, image())) ?? image();
    } catch (error) {
      console.error("classifyImages: the policy threw:", error);
      return unclassified("policy_failed", bytes);
    }
  };
}

/**
 * Detects what a body is by its type and its first bytes. A body that these do not decide counts as an image. "encoded": it
 * has a Content-Encoding, and its bytes differ from what a client sees after decoding.
 */
async function contentOf(
  { status, headers }: Response,
  start: BodyStart,
): Promise<"image" | "encoded" | "no image"> {
  if (isImageType(headers)) return "image";
  if (status === 206 && !/^bytes 0-/i.test(headers.get("Content-Range") ?? "")) return "image";
  let isImage = startsAsImage(start.first(imageStartBytes));
  while (isImage === undefined && !start.ended && start.length < imageStartBytes) {
    await start.readMore();
    isImage = startsAsImage(start.first(imageStartBytes));
  }
  if (isImage ?? !start.ended) return "image";
  return isReadable(headers, start.first(imageStartBytes)) ? "no image" : "encoded";
}

/**
 * Whether these are the bytes that a client sees. The runtime decodes gzip and br of fetched responses, but not of responses
 * created with encodeBody "manual", and no header distinguishes them. Encoded bytes almost never look like text.
 */
function isReadable(headers: Headers, start: Uint8Array): boolean {
  const encoding = (headers.get("Content-Encoding") ?? "identity").trim().toLowerCase();
  if (encoding === "identity" || encoding === "") return true;
  return /^(x-gzip|gzip|br)$/.test(encoding) && startsAsText(start);
}

async function classify<Env>(
  classifier: ClassifyImagesOptions<Env>["classifier"],
  env: Env,
  bytes: Uint8Array,
  wanted: ClassifyOptions,
  timeoutMs: number,
): Promise<{ predictions: readonly Prediction[] } | { error: Unclassified }> {
  try {
    const stub = typeof classifier === "function" ? classifier(env) : classifier;
    const answer = await settleWithin(stub.classify(bytes, wanted), timeoutMs);
    if (answer === timedOut) return { error: "classifier_timeout" };
    return answer.ok ? { predictions: answer.predictions } : { error: answer.error.code };
  } catch (error) {
    console.error("classifyImages: the classifier did not answer:", error);
    return { error: "classifier_unavailable" };
  }
}

function rebuilt(response: Response, body: BodyInit | null, headers: Headers): Response {
  const { status, statusText } = response;
  return new Response(body, { status, statusText, headers });
}

function hasImageType(_: Request, { headers }: Response): boolean {
  return isImageType(headers);
}

/** Whether a Content-Type, or one of several, is image/*. */
function isImageType(headers: Headers): boolean {
  return /(^|,)\s*image\//i.test(headers.get("Content-Type") ?? "");
}

function positiveInteger(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new RangeError(`${name} is ${value}; expected an integer of at least 1`);
}

/** The outcome of reading a body up to a bound. */
type ReadUpTo =
  | { readonly whole: true; readonly bytes: Uint8Array<ArrayBuffer> }
  /** `broken`: the body failed before its end, and so will the stream. */
  | { readonly whole: false; readonly stream: ReadableStream<Uint8Array>; readonly broken: boolean };

/** Reads a body chunk by chunk and can return it as a stream. It does not use tee(), which buffers without a bound. */
class BodyStart {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #chunks: Uint8Array[] = [];
  #length = 0;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;

  /** Locks `body`. */
  constructor(body: ReadableStream<Uint8Array>) {
    this.#reader = body.getReader();
  }

  /** Bytes read so far. */
  get length(): number {
    return this.#length;
  }

  /** Whether the body is complete or has failed. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Reads one more chunk. Never rejects: a failure ends the body. */
  async readMore(): Promise<void> {
    try {
      const { done, value } = await this.#reader.read();
      this.#ended = done;
      if (value) this.#chunks.push(value);
      this.#length += value?.length ?? 0;
    } catch (error) {
      this.#ended = true;
      this.#failure = { error };
    }
  }

  /** Returns a copy of the first `maxBytes` bytes, or of all bytes read so far if there are fewer. */
  first(maxBytes: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(Math.min(maxBytes, this.#length));
    let offset = 0;
    for (const chunk of this.#chunks) {
      const part = chunk.subarray(0, bytes.length - offset);
      bytes.set(part, offset);
      offset += part.length;
    }
    return bytes;
  }

  /** Reads to the end, holding at most `maxBytes` and one chunk. Never rejects. */
  async readUpTo(maxBytes: number): Promise<ReadUpTo> {
    while (!this.#ended && this.#length <= maxBytes) await this.readMore();
    if (this.#failure || this.#length > maxBytes) {
      return { whole: false, stream: this.stream(), broken: this.#failure !== undefined };
    }
    const bytes = this.first(this.#length);
    this.#chunks.length = 0;
    return { whole: true, bytes };
  }

  /** Returns the whole body from its first byte. Reads the rest of it on demand. */
  stream(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          if (this.#chunks.length === 0 && !this.#ended) await this.readMore();
          const chunk = this.#chunks.shift();
          if (chunk) controller.enqueue(chunk);
          else if (this.#failure) controller.error(this.#failure.error);
          else controller.close();
        },
        cancel: (reason) => this.#reader.cancel(reason),
      },
      { highWaterMark: 0 },
    );
  }
}

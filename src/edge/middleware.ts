/**
 * Classifies the images that a Worker answers with, on their way out: labels in headers, and a policy that may answer
 * otherwise. For a plain fetch handler; hono.ts has the same for Hono.
 *
 * An image is held in memory up to `maxBytes`, never more: a larger one streams on unclassified, or is withheld where
 * `onError` is "closed".
 */
import { defaultClassifyTimeoutMs, defaultMiddlewareMaxBytes } from "../limits.ts";
import { settleWithin, timedOut } from "../timeout.ts";
import type { ClassifyOptions, ImageClassifier, Prediction } from "./contract.ts";
import { imageHeaders, withheld } from "./image-response.ts";
import { readUpTo } from "./read-up-to.ts";

/** What the middleware calls: a service binding to `ClassifierService`, or anything that answers as it does. */
export type ClassifierStub = Pick<ImageClassifier, "classify">;

/**
 * Decides by the predictions, best first: a Response is sent instead of the image (block, redirect, rewrite), nothing
 * lets the image through. `response` is the image as it would be sent.
 */
export type ImagePolicy = (
  predictions: readonly Prediction[],
  request: Request,
  response: Response,
) => Response | undefined | Promise<Response | undefined>;

export interface ClassifyImagesOptions<Env = unknown> {
  /** The classifier, or where env has it. */
  readonly classifier: ClassifierStub | ((env: Env) => ClassifierStub);
  /** Which responses are images to classify. Default: those of Content-Type image/jpeg. */
  readonly match?: (request: Request, response: Response) => boolean;
  /** Number of predictions that the policy sees. Default: 5, or all where there are fewer. */
  readonly topK?: number;
  /** Name of a head: its classes in place of the model's own. */
  readonly head?: string;
  /** X-Image-Label and X-Image-Score of the best prediction. Default: true. */
  readonly annotate?: boolean;
  readonly policy?: ImagePolicy;
  /**
   * What becomes of an image that could not be classified: "open" lets it through with X-Image-Classify-Error, "closed"
   * withholds it with a 503. Default: open.
   */
  readonly onError?: "open" | "closed";
  /** Bytes of an image up to which it is held in memory and classified. Default: 8 MiB. */
  readonly maxBytes?: number;
  /** Milliseconds that the classifier has to answer. Default: 10,000. */
  readonly timeoutMs?: number;
}

type FetchHandler<R extends Request, Env, Context> = (
  request: R,
  env: Env,
  context: Context,
) => Response | Promise<Response>;

/** Wraps a fetch handler: `export default { fetch: classifyImages({ classifier })(fetch) }`. */
export function classifyImages<Env = unknown>(options: ClassifyImagesOptions<Env>) {
  const judge = imageJudge(options);
  return <R extends Request, Context>(fetch: FetchHandler<R, Env, Context>): FetchHandler<R, Env, Context> =>
    async (request, env, context) =>
      judge(request, await fetch(request, env, context), env);
}

/** Why an image was not classified: a code of the classifier's, or one of these. */
type Unclassified =
  | "image_too_large"
  | "partial_content"
  | "image_interrupted"
  | "classifier_timeout"
  | "classifier_unavailable"
  | "policy_failed"
  | (string & {});

/**
 * What is to be sent instead of `response`, itself where it is no image of ours.
 * @throws RangeError at once, when maxBytes or timeoutMs do not hold
 */
export function imageJudge<Env>(options: ClassifyImagesOptions<Env>) {
  const { match = isJpeg, annotate = true, policy, onError = "open" } = options;
  const wanted = {
    ...(options.topK === undefined ? {} : { topK: options.topK }),
    ...(options.head === undefined ? {} : { head: options.head }),
  };
  const maxBytes = positiveInteger("maxBytes", options.maxBytes ?? defaultMiddlewareMaxBytes);
  const timeoutMs = positiveInteger("timeoutMs", options.timeoutMs ?? defaultClassifyTimeoutMs);

  return async (request: Request, response: Response, env: Env): Promise<Response> => {
    const { body } = response;
    if (!body || !response.ok || request.method === "HEAD" || !match(request, response)) return response;
    const unclassified = (code: Unclassified, rest: BodyInit | null) => {
      if (onError === "closed") {
        if (rest instanceof ReadableStream) rest.cancel().catch(() => {});
        return withheld(code);
      }
      return rebuilt(response, rest, imageHeaders(response.headers, { error: code }));
    };
    // A part says nothing about the whole; what was announced as too large is not read at all.
    if (response.status === 206) return unclassified("partial_content", body);
    if (Number(response.headers.get("Content-Length")) > maxBytes)
      return unclassified("image_too_large", body);

    const read = await readUpTo(body, maxBytes);
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

function isJpeg(_: Request, response: Response): boolean {
  return /^image\/jpe?g\s*(;|$)/i.test(response.headers.get("Content-Type") ?? "");
}

function positiveInteger(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new RangeError(`${name} is ${value}; expected an integer of at least 1`);
}

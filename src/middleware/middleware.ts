/**
 * Classifies the images that a Worker answers with, on their way out: labels in headers, and a policy that may answer
 * otherwise. For a plain fetch handler; hono.ts has the same for Hono.
 *
 * An image is held in memory up to `maxBytes`, never more: a larger one streams on unclassified, or is withheld where
 * `onError` is "closed". With "closed" every body is looked at, whatever its headers say.
 */

import { settleWithin, timedOut } from "../concurrency/timeout.ts";
import { startsAsImage, startsAsText } from "../image/detect.ts";
import { defaultClassifyTimeoutMs, defaultMiddlewareMaxBytes, imageStartBytes } from "../limits.ts";
import type { ClassifyOptions, ImageClassifier, Prediction } from "../rpc/contract.ts";
import { BodyStart } from "./body-start.ts";
import { imageHeaders, withheld } from "./image-response.ts";

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
  /**
   * Which responses are images to classify. Default: those of Content-Type image/jpeg. With `onError` "closed" it can only
   * add to the images that are recognised by their bytes or type.
   */
  readonly match?: (request: Request, response: Response) => boolean;
  /** Number of predictions that the policy sees. Default: 5, or all where there are fewer. */
  readonly topK?: number;
  /** Name of a head: its classes in place of the model's own. */
  readonly head?: string;
  /** X-Image-Label and X-Image-Score of the best prediction. Default: true. */
  readonly annotate?: boolean;
  readonly policy?: ImagePolicy;
  /**
   * What happens to an image that could not be classified: "open" lets it through with X-Image-Classify-Error, "closed"
   * withholds it with a 503. With "closed", every response of any status whose bytes match an image format or whose type
   * is image/* must be classified; docs/edge.md has the whole rule. Default: open.
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
  | "content_encoding"
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
    // A HEAD or a 304 shows no image.
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
    // A part says nothing about the whole; what is announced as too large is not read at all.
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
 * What a body is, by its type and its first bytes. Where those do not suffice, it counts as an image.
 * "encoded": it has a Content-Encoding, and its bytes are not what a client sees after decoding.
 */
async function contentOf(
  { status, headers }: Response,
  start: BodyStart,
): Promise<"image" | "encoded" | "no image"> {
  if (/(^|,)\s*image\//i.test(headers.get("Content-Type") ?? "")) return "image";
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
 * Whether these are the bytes that a client sees. The runtime decodes gzip and br of what it fetches, but not of responses
 * made with encodeBody "manual", and no header tells them apart. Decoded text is text; encoded bytes hardly ever are.
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

function isJpeg(_: Request, response: Response): boolean {
  return /^image\/jpe?g\s*(;|$)/i.test(response.headers.get("Content-Type") ?? "");
}

function positiveInteger(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new RangeError(`${name} is ${value}; expected an integer of at least 1`);
}

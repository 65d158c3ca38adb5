/** GET /cdn/*: images of IMAGE_ORIGIN, unchanged, with labels in headers. The image is sent even if classifying fails. */
import type { Hono } from "hono";
import { accepts } from "hono/accepts";
import { z } from "zod";
import { freeBytes } from "../../bytes/byte-arrays.ts";
import { encodeHeaderText, formatScore } from "../../bytes/header-text.ts";
import { contentLength, joinChunks, type Pace } from "../../bytes/read-stream.ts";
import { conditionsFor } from "../../cache/seen-images.ts";
import { type ClassifyAnswer, classificationOf } from "../../classifier/answers.ts";
import type { CacheStatus, RequestContext } from "../../classifier/classifier.ts";
import type { ResolvedOptions } from "../../classifier/options.ts";
import type { NotModified, Scored, ScoreRequest } from "../../classifier/score.ts";
import type { Permit } from "../../concurrency/admission.ts";
import type { WaitUntil } from "../../concurrency/shared-work.ts";
import { settleWithin, timedOut } from "../../concurrency/timeout.ts";
import { toClassifierError } from "../../errors.ts";
import { firstReadBytes, requestOverheadBytes } from "../../limits.ts";
import { refuseLoop, upstreamUnavailable } from "../../remote/fetch-image.ts";
import { type BufferedBody, bufferUpTo, freeChunk, hasGrown, send } from "../cdn/buffered-body.ts";
import { askOrigin, clientHeaders, mayBeImage, originUrl, validatorsOf } from "../cdn/origin.ts";
import type { AppContext, AppEnv, GetServices, Services } from "../context.ts";
import type { RouteDoc } from "../openapi/document.ts";
import { urlSource } from "../sources/url.ts";
import { answerConditionally } from "./classify.ts";

/** Time to wait for memory before the image is sent without labels. */
const waitMs = 2_000;
/** Time for the origin's body to arrive before the image is sent without labels. */
const bufferMs = 5_000;
/** Time to classify before the image is sent without labels. A cold start takes up to a second. */
const classifyMs = 8_000;
/**
 * The slowest pace at which a client may read, because the image that it receives holds memory. 64 KiB per second is half a
 * megabit, a poor mobile connection: 16 MiB then take at most 4.5 minutes.
 */
const pace: Pace = { idleMs: 10_000, minBytesPerSecond: 64 * 1024 };

/** Adds the route. HEAD works too: the origin then receives a HEAD request. */
export function addCdn(app: Hono<AppEnv>, services: GetServices): void {
  app.get("/cdn/*", (c) => cdn(c, services()));
}

async function cdn(c: AppContext, services: Services): Promise<Response> {
  refuseLoop(c.req.raw.headers);
  const { config, scorer } = services;
  const url = originUrl(config.imageOrigin, new URL(c.req.url));
  // The query belongs to the origin, so no option comes from it.
  const request: ScoreRequest = { options: config.cdnHead === undefined ? {} : { head: config.cdnHead } };
  const supports = ["image/*", "application/json"];
  if (accepts(c, { header: "Accept", supports, default: "image/*" }) === "application/json") {
    return classifyAtOrigin(c, services, url, request);
  }
  // Started here, so that pack and head are read while the origin answers.
  const resolving = scorer.resolve(request.options);
  resolving.catch(() => {});
  const response = await askOrigin(url, c.req.raw);
  const headers = clientHeaders(response.headers, c.var.keyHash !== undefined);
  const asked = { url, request, resolving, services, context: c.var.scoring };
  return sendLabelled(response, headers, asked);
}

async function classifyAtOrigin(
  c: AppContext,
  services: Services,
  url: URL,
  request: ScoreRequest,
): Promise<Response> {
  const { config, seenImages, waitUntil } = services;
  c.header("Vary", "Accept");
  const hosts = config.imageOrigin?.hosts ?? [];
  const options = { hosts, maxBytes: config.maxImageBytes, seenImages, waitUntil };
  // The hash in the answer must be that of what the origin serves, so no rendition replaces it.
  const source = await urlSource({ url, cfImage: false }, options, c.var.scoring.stages);
  return answerConditionally(c, services, source, request);
}

/** The image that a client asks for, and what scoring it needs. */
interface Asked {
  readonly url: URL;
  readonly request: ScoreRequest;
  readonly resolving: Promise<ResolvedOptions>;
  readonly services: Services;
  readonly context: RequestContext;
}

/** The labels of an image, or the code of the error that prevents them. */
type Labels = { readonly answer: ClassifyAnswer; readonly cache: CacheStatus } | { readonly code: string };

/** Sends the origin's response with labels if it is an image, and unchanged otherwise. */
async function sendLabelled(response: Response, headers: Headers, asked: Asked): Promise<Response> {
  const { config, admission } = asked.services;
  const known = await recallLabels(response, asked);
  if (known || !mayBeImage(response)) return passOn(response, headers, known, asked);
  const length = contentLength(response.headers);
  const isEncoded = (response.headers.get("Content-Encoding") ?? "identity") !== "identity";
  if (isEncoded) return passOn(response, headers, { code: "content_encoding" }, asked);
  const maxBytes = length ?? config.maxImageBytes;
  if (maxBytes > config.maxImageBytes) return passOn(response, headers, { code: "image_too_large" }, asked);
  const demand = { bytes: firstReadBytes, maxBytes: maxBytes + requestOverheadBytes };
  const permit = await admission.acquire(demand, AbortSignal.timeout(waitMs)).catch(() => undefined);
  if (!permit) return passOn(response, headers, { code: "overloaded" }, asked);
  try {
    return await bufferAndScore(response, headers, maxBytes, permit, asked);
  } catch (error) {
    permit.release();
    throw error;
  }
}

function passOn(response: Response, headers: Headers, labels: Labels | undefined, asked: Asked): Response {
  if (labels) setLabels(headers, labels, asked);
  return new Response(response.body, { status: response.status, headers });
}

/** Owns the permit unless it rejects: sending releases it with the last byte. */
async function bufferAndScore(
  response: Response,
  headers: Headers,
  maxBytes: number,
  permit: Permit,
  asked: Asked,
): Promise<Response> {
  const { waitUntil } = asked.services;
  const body = response.body as ReadableStream<Uint8Array>;
  const buffered = await bufferUpTo(body, { maxBytes, withinMs: bufferMs, permit }).catch((cause) => {
    throw upstreamUnavailable(`${asked.url.host} broke off`, cause);
  });
  if (buffered.rest) {
    setLabels(headers, { code: buffered.rest.reason }, asked);
    const readable = sendUnscored(buffered, contentLength(response.headers), permit, waitUntil);
    return new Response(readable, { headers });
  }
  const bytes = joinChunks(buffered.chunks);
  asked.context.facts.bytes = bytes.length;
  const toScore = bytes.length + requestOverheadBytes;
  if (!(await hasGrown(permit, toScore, AbortSignal.timeout(waitMs)))) {
    setLabels(headers, { code: "overloaded" }, asked);
    return new Response(sendUnscored({ chunks: [bytes] }, bytes.length, permit, waitUntil), { headers });
  }
  const scoring = score(bytes, response, asked).finally(() => permit.shrinkTo(bytes.length));
  const labels = await settleWithin(scoring, classifyMs);
  setLabels(headers, labels === timedOut ? { code: "timeout" } : labels, asked);
  const { readable, done } = send(
    { chunks: [bytes] },
    { length: bytes.length, pace, onProgress: () => renew(permit), onSent: () => {} },
  );
  // Scoring may outlast sending, or sending scoring. The last one frees the bytes.
  const unused = Promise.all([done, scoring]).then(() => {
    freeBytes(bytes);
    permit.release();
  });
  waitUntil(unused);
  return new Response(readable, { headers });
}

/** Renews the lease of a permit whose image is still being sent. */
function renew(permit: Permit): void {
  permit.shrinkTo(permit.heldBytes);
}

/** Sends a body. The permit shrinks as the buffered chunks leave, and is released with the last one. */
function sendUnscored(
  buffered: BufferedBody,
  length: number | undefined,
  permit: Permit,
  waitUntil: WaitUntil,
): ReadableStream<Uint8Array> {
  let heldBytes = buffered.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  const update = () => (heldBytes > 0 ? permit.shrinkTo(heldBytes) : permit.release());
  update();
  const onSent = (chunk: Uint8Array) => {
    heldBytes -= chunk.length;
    freeChunk(chunk);
    update();
  };
  const { readable, done } = send(buffered, { length, pace, onProgress: () => renew(permit), onSent });
  waitUntil(done);
  return readable;
}

/** Returns the labels of an image whose ETag is known and whose result is cached. Needs none of its bytes. */
async function recallLabels(response: Response, asked: Asked): Promise<Labels | undefined> {
  const { url, request, resolving, services, context } = asked;
  const { etag } = validatorsOf(response);
  if (etag === undefined || ![200, 206, 304].includes(response.status)) return undefined;
  try {
    const seen = await services.seenImages.get(url.href);
    if (!seen || conditionsFor(seen)["If-None-Match"] !== etag) return undefined;
    return labelsOf(await services.scorer.recall(seen.sha256, await resolving, request, context));
  } catch {
    // Scoring reports the error, if the bytes are needed.
    return undefined;
  }
}

/** Scores an image, and remembers its hash. Never rejects. */
async function score(bytes: Uint8Array, response: Response, asked: Asked): Promise<Labels> {
  const { url, request, resolving, services, context } = asked;
  const { scorer, seenImages, waitUntil } = services;
  try {
    const scored = await scorer.scoreImage(bytes, await resolving, request, context);
    const labels = labelsOf(scored);
    if (!labels) throw new Error("an image request without If-None-Match is not modified");
    const seen = { sha256: labels.answer.image.sha256, ...validatorsOf(response) };
    waitUntil(seenImages.put(url.href, seen));
    return labels;
  } catch (thrown) {
    const error = toClassifierError(thrown);
    if (error.reason.code === "internal") context.facts.error = error;
    return { code: error.reason.code };
  }
}

function labelsOf(outcome: Scored | NotModified | undefined) {
  if (!outcome || "notModified" in outcome) return undefined;
  return { answer: classificationOf(outcome), cache: outcome.cache };
}

function setLabels(headers: Headers, labels: Labels, { context }: Asked): void {
  if ("code" in labels) {
    context.facts.code = labels.code;
    headers.set("X-Image-Classify-Error", labels.code);
    return;
  }
  const { image, predictions } = labels.answer;
  headers.set("X-Cache", labels.cache);
  headers.set("X-Image-Sha256", image.sha256);
  const [top] = predictions;
  if (!top) return;
  headers.set("X-Image-Label", encodeHeaderText(top.label));
  headers.set("X-Image-Score", formatScore(top.score));
}

/** The route, for the OpenAPI document. */
export const cdnDocs: readonly RouteDoc[] = [
  {
    method: "get",
    path: "/cdn/{path}",
    operationId: "cdn",
    summary: "Get an image of IMAGE_ORIGIN, unchanged, with its label in headers",
    description: "With Accept: application/json, answers the classes like GET /v1/classify.",
    params: z.object({
      path: z.string().describe("Path of the image at the origin. It may contain slashes."),
    }),
    answer: {
      description: "The image",
      mediaType: "image/*",
      headers: {
        "X-Image-Label": "The most probable class, percent-encoded.",
        "X-Image-Score": "Its probability.",
        "X-Image-Sha256": "SHA-256 of the image.",
        "X-Image-Classify-Error": "Why there are no labels. The image is sent anyway.",
      },
    },
    conditional: true,
    errors: ["invalid_parameter", "host_not_allowed", "upstream_unavailable", "loop_detected"],
  },
];

/** From the URL of an image to the answer. What the URL gave before is not fetched, hashed or decoded again. */
import type { Context } from "hono";
import { freeBytes } from "../bytes/free-bytes.ts";
import { sha256Hex } from "../bytes/sha256.ts";
import { conditionsFor, validatorsIn } from "../cache/seen-images.ts";
import type { AllowedHosts } from "../remote/allowed-hosts.ts";
import { type OpenImage, openImage, parseImageUrl, type RemoteOptions } from "../remote/fetch-image.ts";
import { refuseLoop } from "../remote/loops.ts";
import { type Renditions, renditionOf } from "../remote/renditions.ts";
import type { ClassifyAnswer, Settled } from "./answers.ts";
import { classificationETag, ifNoneMatch } from "./conditional.ts";
import type { AppEnv } from "./context.ts";
import { demandOf, makeRoomToScore } from "./room.ts";
import { answerOf, preload, type Scoring, scoreImage } from "./score-images.ts";
import type { Services } from "./services.ts";

/** What is asked for, and how. */
export interface RemoteRequest {
  readonly url: URL;
  readonly scoring: Scoring;
  /** In place of the deployment's lists. */
  readonly hosts?: AllowedHosts;
  readonly renditions?: Renditions;
  /** The caller's If-None-Match, where it counts. */
  readonly ifNoneMatch?: string | undefined;
}

interface RemoteAnswer {
  readonly etag: string;
  /** Undefined where the caller has it already. */
  readonly answer?: ClassifyAnswer;
}

/**
 * The URL that the caller of a request names.
 * @throws ClassifierError invalid_parameter, loop_detected
 */
export function remoteRequest(c: Context<AppEnv>, url: string, scoring: Scoring): RemoteRequest {
  refuseLoop(c.req.raw.headers);
  return { url: parseImageUrl(url), scoring };
}

/** The answer to a GET, with its ETag, or 304. Rejects with ClassifierError. */
export async function classifyRemote(
  c: Context<AppEnv>,
  services: Services,
  request: RemoteRequest,
): Promise<Response> {
  const condition = c.req.header("If-None-Match");
  const { etag, answer } = await scoreRemote(c, services, { ...request, ifNoneMatch: condition });
  c.header("ETag", etag);
  c.header("Cache-Control", cacheControl(c, services.config.classifyCacheControl));
  return answer ? c.json(answer) : c.body(null, 304);
}

/** What a caller needed a key for is by default not for shared caches, which would give it to those without one. */
function cacheControl(c: Context<AppEnv>, configured: string | undefined): string {
  if (configured !== undefined) return configured;
  return `${c.req.header("Authorization") === undefined ? "public" : "private"}, max-age=3600`;
}

/** Rejects with ClassifierError. */
export async function scoreRemote(
  c: Context<AppEnv>,
  services: Services,
  request: RemoteRequest,
): Promise<RemoteAnswer> {
  const { seenImages } = services;
  const options = remoteOptions(services, request);
  const open = (conditions = {}) =>
    c.var.stages.time("fetch", () => openImage(request.url, options, conditions));
  const seen = await seenImages.get(seenKey(request.url, options.renditions));
  const image = await open(conditionsFor(seen));
  if (!image.notModified || !seen) return readAndScore(c, services, request, image);
  image.cancel();
  // Its result may have left the cache meanwhile: then its bytes are needed after all.
  return (await recall(c, request, seen.sha256)) ?? readAndScore(c, services, request, await open());
}

/** A rendition has bytes of its own. */
function seenKey(url: URL, renditions: Renditions): string {
  const rendition = renditionOf(url, renditions);
  return rendition.cfImage ? `cf ${url.href}` : rendition.url.href;
}

function remoteOptions({ config }: Services, { hosts, renditions }: RemoteRequest): RemoteOptions {
  return {
    hosts: hosts ?? config.allowedImageHosts,
    renditions: renditions ?? config.imageRenditions,
    maxBytes: config.maxImageBytes,
  };
}

/** The answer for an image whose hash is known, if the cache has its result. */
async function recall(
  c: Context<AppEnv>,
  request: RemoteRequest,
  sha256: string,
): Promise<RemoteAnswer | undefined> {
  const { scoring } = request;
  const live = await c.var.stages.time("model", () => scoring.live);
  const etag = etagOf(sha256, await scoring.settleFor(live));
  if (ifNoneMatch(request.ifNoneMatch, etag)) return { etag };
  const scored = await scoring.classifier.recall(sha256, live, c.var.stages);
  return scored && answerWithETag(await answerOf(c, scored, scoring), scoring);
}

async function readAndScore(
  c: Context<AppEnv>,
  services: Services,
  request: RemoteRequest,
  image: OpenImage,
): Promise<RemoteAnswer> {
  const { admission, classifier, seenImages } = services;
  const { stages, facts } = c.var;
  const { scoring } = request;
  const { signal } = c.req.raw;
  const demand = demandOf(image.expectedBytes);
  let bytes: Uint8Array | undefined;
  preload(classifier, demand.maxBytes, () => bytes === undefined);
  const permit = await stages
    .time("wait", () => admission.acquire(demand, signal))
    .catch((error: unknown) => {
      image.cancel();
      throw error;
    });
  try {
    bytes = await stages.time("read", () => image.read(permit));
    const { length } = bytes;
    facts.bytes = length;
    await stages.time("wait", () => makeRoomToScore(permit, length, signal));
    if (request.ifNoneMatch !== undefined) {
      const etag = etagOf(await sha256Hex(bytes), await scoring.settleFor(await scoring.live));
      if (ifNoneMatch(request.ifNoneMatch, etag)) return { etag };
    }
    const answer = await scoreImage(c, scoring, bytes);
    const { sha256 } = answer.image;
    const key = seenKey(request.url, remoteOptions(services, request).renditions);
    services.waitUntil(seenImages.put(key, { sha256, ...validatorsIn(image.headers) }));
    return answerWithETag(answer, scoring);
  } finally {
    if (bytes) freeBytes(bytes);
    permit.release();
  }
}

/** By what the answer says of itself: a head or a model may have gone live since the request came. */
function answerWithETag(answer: ClassifyAnswer, { functionToApply }: Scoring): RemoteAnswer {
  const { model, image, predictions, unknown } = answer;
  const head = answer.head && { version: answer.head.version, unknown: unknown !== undefined };
  const etag = classificationETag(image.sha256, model.version, predictions.length, functionToApply, head);
  return { etag, answer };
}

function etagOf(sha256: string, { pack, head, unknown, k, functionToApply }: Settled): string {
  const { version } = pack.manifest;
  return classificationETag(
    sha256,
    version,
    k,
    functionToApply,
    head && { version: head.file.version, unknown },
  );
}

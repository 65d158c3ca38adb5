/** GET /cdn/*: images of IMAGE_ORIGIN, unchanged, with labels in headers. The image flows even if classifying fails. */
import type { Hono } from "hono";
import { accepts } from "hono/accepts";
import { z } from "zod";
import { freeBytes } from "../../bytes/free-bytes.ts";
import { joinChunks } from "../../bytes/read-stream.ts";
import { conditionsFor } from "../../cache/seen-images.ts";
import { type ClassifyAnswer, classificationOf } from "../../classifier/answers.ts";
import type { ResolvedOptions } from "../../classifier/options.ts";
import type { ScoreRequest } from "../../classifier/score.ts";
import type { Permit } from "../../concurrency/admission.ts";
import { settleWithin, timedOut } from "../../concurrency/timeout.ts";
import { toClassifierError } from "../../errors.ts";
import {
  cdnBufferMs,
  cdnClassifyMs,
  cdnWaitMs,
  firstReadBytes,
  minSendBytesPerSecond,
  requestOverheadBytes,
  sendIdleMs,
} from "../../limits.ts";
import { parseAllowedHosts } from "../../remote/allowed-hosts.ts";
import { contentLength } from "../../remote/fetch-image.ts";
import { refuseLoop } from "../../remote/loops.ts";
import {
  type BufferedBody,
  bufferUpTo,
  freeChunk,
  hasGrown,
  type Sending,
  send,
} from "../cdn/buffered-body.ts";
import { setClassifyError, setImageHeaders } from "../cdn/image-headers.ts";
import {
  askOrigin,
  clientHeaders,
  isAnswer,
  mayBeImage,
  originFailed,
  originUrl,
  validatorsOf,
} from "../cdn/origin.ts";
import type { AppContext, AppEnv } from "../context.ts";
import type { RouteDoc } from "../openapi/route-doc.ts";
import type { GetServices, Services } from "../services.ts";
import { urlSource } from "../sources/url.ts";
import { answerConditionally } from "./classify.ts";

/** Adds the route. HEAD works too: the origin is then asked by HEAD. */
export function addCdn(app: Hono<AppEnv>, services: GetServices): void {
  app.get("/cdn/*", (c) => cdn(c, services()));
}

async function cdn(c: AppContext, services: Services): Promise<Response> {
  refuseLoop(c.req.raw.headers);
  const { config, scorer, seenImages, waitUntil } = services;
  const url = originUrl(config.imageOrigin, new URL(c.req.url));
  const accepted = accepts(c, {
    header: "Accept",
    supports: ["image/*", "application/json"],
    default: "image/*",
  });
  // The query belongs to the origin, so no option comes from it.
  const request: ScoreRequest = { options: config.cdnHead === undefined ? {} : { head: config.cdnHead } };
  if (accepted === "application/json") {
    c.header("Vary", "Accept");
    // The hash in the answer must be that of what the origin serves, so no rendition takes its place.
    const options = {
      hosts: parseAllowedHosts(url.host),
      renditions: new Map(),
      maxBytes: config.maxImageBytes,
    };
    const source = await urlSource(url, { ...options, seenImages, waitUntil }, c.var.scoring.stages);
    return answerConditionally(c, services, source, request);
  }
  // Started here, so that pack and head are read while the origin answers.
  const resolving = scorer.resolve(request.options);
  resolving.catch(() => {});
  const response = await askOrigin(url, c.req.raw);
  if (!isAnswer(response)) {
    response.body?.cancel().catch(() => {});
    throw originFailed(`${url.host} answers ${response.status}`);
  }
  return new Annotation(c, services, { url, request, resolving }).annotate(response);
}

const pace = { idleMs: sendIdleMs, minBytesPerSecond: minSendBytesPerSecond };

/** Renews the permit's lease: the image is still on its way. */
function renew(permit: Permit): void {
  permit.shrinkTo(permit.heldBytes);
}

/** The image that a request asks for. */
interface Asked {
  readonly url: URL;
  readonly request: ScoreRequest;
  readonly resolving: Promise<ResolvedOptions>;
}

/** One image on its way from the origin to the client. */
class Annotation {
  readonly #c: AppContext;
  readonly #services: Services;
  readonly #asked: Asked;

  constructor(c: AppContext, services: Services, asked: Asked) {
    this.#c = c;
    this.#services = services;
    this.#asked = asked;
  }

  async annotate(response: Response): Promise<Response> {
    const headers = clientHeaders(response.headers, this.#c.var.keyHash !== undefined);
    const known = await this.#known(response);
    if (known) return this.#answer(response, headers, known);
    if (!mayBeImage(response)) return new Response(response.body, { status: response.status, headers });
    const { maxImageBytes } = this.#services.config;
    const length = contentLength(response.headers);
    const encoded = (response.headers.get("Content-Encoding") ?? "identity") !== "identity";
    if (encoded) return this.#unclassified(response, headers, "content_encoding");
    if ((length ?? 0) > maxImageBytes) return this.#unclassified(response, headers, "image_too_large");
    const maxBytes = length ?? maxImageBytes;
    const permit = await this.#permit(maxBytes);
    if (!permit) return this.#unclassified(response, headers, "overloaded");
    try {
      return await this.#annotated(response, headers, maxBytes, permit);
    } catch (error) {
      permit.release();
      throw error;
    }
  }

  /** Owns the permit, unless it rejects: whoever uses the bytes last frees them, and then releases it. */
  async #annotated(
    response: Response,
    headers: Headers,
    maxBytes: number,
    permit: Permit,
  ): Promise<Response> {
    const body = response.body as ReadableStream<Uint8Array>;
    const bounds = { maxBytes, withinMs: cdnBufferMs, permit };
    const buffered = await bufferUpTo(body, bounds).catch((cause: unknown) => {
      throw originFailed(`${this.#asked.url.host} broke off`, cause);
    });
    const { rest } = buffered;
    const length = contentLength(response.headers);
    if (rest) return this.#sent(this.#sendUnscored(buffered, length, permit), headers, rest.reason);

    const bytes = joinChunks(buffered.chunks);
    this.#c.var.scoring.facts.bytes = bytes.length;
    const neededBytes = bytes.length + requestOverheadBytes;
    if (!(await hasGrown(permit, neededBytes, AbortSignal.timeout(cdnWaitMs)))) {
      const sending = this.#sendUnscored({ chunks: [bytes] }, bytes.length, permit);
      return this.#sent(sending, headers, "overloaded");
    }
    const scored = this.#score(bytes, response, headers).then(() => permit.shrinkTo(bytes.length));
    const isLate = (await settleWithin(scored, cdnClassifyMs)) === timedOut;
    const sending = send(
      { chunks: [bytes] },
      { length: bytes.length, pace, onProgress: () => renew(permit), onSent: () => {} },
    );
    const unused = Promise.all([sending.done, scored]);
    this.#services.waitUntil(
      unused.then(() => {
        freeBytes(bytes);
        permit.release();
      }),
    );
    return this.#sent(sending, headers, isLate ? "timeout" : undefined);
  }

  /** @param code why there are no labels, if there are none */
  #sent({ readable }: Sending, headers: Headers, code: string | undefined): Response {
    if (code !== undefined) this.#fail(headers, code);
    // A copy: what scoring says after its time comes too late.
    return new Response(readable, { status: 200, headers: new Headers(headers) });
  }

  /** The permit shrinks as the buffered chunks leave, and is released with the last one. */
  #sendUnscored(buffered: BufferedBody, length: number | undefined, permit: Permit): Sending {
    let heldBytes = buffered.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    const update = () => (heldBytes > 0 ? permit.shrinkTo(heldBytes) : permit.release());
    update();
    const onSent = (chunk: Uint8Array) => {
      heldBytes -= chunk.length;
      freeChunk(chunk);
      update();
    };
    const sending = send(buffered, { length, pace, onProgress: () => renew(permit), onSent });
    this.#services.waitUntil(sending.done);
    return sending;
  }

  /** The answer to an image that the origin names as it did before: its bytes are not needed for it. */
  async #known(response: Response): Promise<ClassifyAnswer | undefined> {
    const { etag } = validatorsOf(response);
    if (etag === undefined || ![200, 206, 304].includes(response.status)) return undefined;
    try {
      const seen = await this.#services.seenImages.get(this.#asked.url.href);
      if (!seen || conditionsFor(seen)["If-None-Match"] !== etag) return undefined;
      const { request, resolving } = this.#asked;
      const { scorer } = this.#services;
      const scored = await scorer.recall(seen.sha256, await resolving, request, this.#c.var.scoring);
      return scored && !("notModified" in scored) ? classificationOf(scored) : undefined;
    } catch {
      // The image is more than its labels; the way that classifies says what is wrong.
      return undefined;
    }
  }

  #answer(response: Response, headers: Headers, answer: ClassifyAnswer): Response {
    setImageHeaders(headers, answer);
    headers.set("X-Cache", this.#c.var.scoring.facts.cache ?? "MISS");
    return new Response(response.body, { status: response.status, headers });
  }

  #unclassified(response: Response, headers: Headers, code: string): Response {
    this.#fail(headers, code);
    return new Response(response.body, { status: response.status, headers });
  }

  /** A permit that grows to the image's bytes and what scoring needs, or undefined when there is no room soon. */
  async #permit(maxImageBytes: number): Promise<Permit | undefined> {
    try {
      const demand = { bytes: firstReadBytes, maxBytes: maxImageBytes + requestOverheadBytes };
      return await this.#services.admission.acquire(demand, AbortSignal.timeout(cdnWaitMs));
    } catch {
      return undefined;
    }
  }

  /** Sets the headers. Never rejects. */
  async #score(bytes: Uint8Array, response: Response, headers: Headers): Promise<void> {
    try {
      const { request, resolving } = this.#asked;
      const { scorer } = this.#services;
      const scored = await scorer.scoreImage(bytes, await resolving, request, this.#c.var.scoring);
      if ("notModified" in scored) return;
      const answer = classificationOf(scored);
      setImageHeaders(headers, answer);
      headers.set("X-Cache", this.#c.var.scoring.facts.cache ?? "MISS");
      const seen = { sha256: answer.image.sha256, ...validatorsOf(response) };
      this.#services.waitUntil(this.#services.seenImages.put(this.#asked.url.href, seen));
    } catch (thrown) {
      const error = toClassifierError(thrown);
      if (error.reason.code === "internal") this.#c.var.scoring.facts.error = error;
      this.#fail(headers, error.reason.code);
    }
  }

  #fail(headers: Headers, code: string): void {
    this.#c.var.scoring.facts.code = code;
    setClassifyError(headers, code);
  }
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
    errors: ["invalid_parameter", "not_found", "upstream_unavailable", "loop_detected"],
  },
];

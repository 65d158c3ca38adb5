/** GET /cdn/*: images of IMAGE_ORIGIN, their bytes untouched, labels in headers. The image flows when all else fails. */
import type { Context, Hono } from "hono";
import { accepts } from "hono/accepts";
import { freeBytes } from "../../bytes/free-bytes.ts";
import { joinChunks } from "../../bytes/read-stream.ts";
import { conditionsFor } from "../../cache/seen-images.ts";
import type { Permit } from "../../concurrency/admission.ts";
import { settleWithin, timedOut } from "../../concurrency/timeout.ts";
import {
  cdnBufferMs,
  cdnClassifyMs,
  cdnWaitMs,
  minSendBytesPerSecond,
  requestOverheadBytes,
  sendIdleMs,
} from "../../limits.ts";
import { parseAllowedHosts } from "../../remote/allowed-hosts.ts";
import { contentLength } from "../../remote/fetch-image.ts";
import { refuseLoop } from "../../remote/loops.ts";
import type { ClassifyAnswer } from "../answers.ts";
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
import type { AppEnv } from "../context.ts";
import { toClassifierError } from "../problem.ts";
import { parseTopK } from "../query.ts";
import { demandOf } from "../room.ts";
import { answerOf, beginScoring, type Scoring, scoreImage } from "../score-images.ts";
import { classifyRemote } from "../score-remote.ts";
import type { GetServices, Services } from "../services.ts";

export function addCdn(app: Hono<AppEnv>, services: GetServices): void {
  // HEAD too: the origin is then asked by HEAD.
  app.get("/cdn/*", (c) => {
    const answer = cdn(c, services());
    // Also when the client goes away: what the request holds is given back only by running to its end.
    services().waitUntil(answer.catch(() => {}));
    return answer;
  });
}

/** The answer has one prediction in headers, and as many in JSON as elsewhere; the query is the origin's. */
const topKOf = parseTopK(undefined);

async function cdn(c: Context<AppEnv>, services: Services): Promise<Response> {
  refuseLoop(c.req.raw.headers);
  const url = originUrl(services.config.imageOrigin, new URL(c.req.url));
  const wanted = accepts(c, {
    header: "Accept",
    supports: ["image/*", "application/json"],
    default: "image/*",
  });
  const { cdnHead } = services.config;
  const head = cdnHead === undefined ? undefined : { name: cdnHead, unknown: false };
  const scoring = beginScoring(services, { topKOf, functionToApply: "softmax", head });
  if (wanted === "application/json") {
    c.header("Vary", "Accept");
    // Redirects stay with the origin, and its images are not exchanged for renditions: the hash is of what it serves.
    const request = { url, scoring, hosts: parseAllowedHosts(url.host), renditions: new Map() };
    return classifyRemote(c, services, request);
  }
  const response = await askOrigin(url, c.req.raw);
  if (!isAnswer(response)) {
    response.body?.cancel().catch(() => {});
    throw originFailed(`${url.host} answers ${response.status}`);
  }
  return new Annotation(c, services, scoring, url).annotate(response);
}

const pace = { idleMs: sendIdleMs, minBytesPerSecond: minSendBytesPerSecond };

/** Renews the permit's lease: the image is still on its way. */
function renew(permit: Permit): void {
  permit.shrinkTo(permit.heldBytes);
}

/** One image on its way through. */
class Annotation {
  readonly #c: Context<AppEnv>;
  readonly #services: Services;
  readonly #scoring: Scoring;
  readonly #url: URL;

  constructor(c: Context<AppEnv>, services: Services, scoring: Scoring, url: URL) {
    this.#c = c;
    this.#services = services;
    this.#scoring = scoring;
    this.#url = url;
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
      throw originFailed(`${this.#url.host} broke off`, cause);
    });
    const { rest } = buffered;
    const length = contentLength(response.headers);
    if (rest) return this.#sent(this.#sendUnscored(buffered, length, permit), headers, rest.reason);

    const bytes = joinChunks(buffered.chunks);
    this.#c.var.facts.bytes = bytes.length;
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
      const seen = await this.#services.seenImages.get(this.#url.href);
      if (!seen || conditionsFor(seen)["If-None-Match"] !== etag) return undefined;
      const { classifier, live } = this.#scoring;
      const scored = await classifier.recall(seen.sha256, await live, this.#c.var.stages);
      return scored && (await answerOf(this.#c, scored, this.#scoring));
    } catch {
      // The image is more than its labels; the way that classifies says what is wrong.
      return undefined;
    }
  }

  #answer(response: Response, headers: Headers, answer: ClassifyAnswer): Response {
    setImageHeaders(headers, answer);
    headers.set("X-Cache", this.#c.var.facts.cache ?? "MISS");
    return new Response(response.body, { status: response.status, headers });
  }

  #unclassified(response: Response, headers: Headers, code: string): Response {
    this.#fail(headers, code);
    return new Response(response.body, { status: response.status, headers });
  }

  /** A permit that grows to the image's bytes and what scoring needs, or undefined when there is no room soon. */
  async #permit(maxImageBytes: number): Promise<Permit | undefined> {
    try {
      return await this.#services.admission.acquire(demandOf(maxImageBytes), AbortSignal.timeout(cdnWaitMs));
    } catch {
      return undefined;
    }
  }

  /** Sets the headers. Never rejects. */
  async #score(bytes: Uint8Array, response: Response, headers: Headers): Promise<void> {
    try {
      const answer = await scoreImage(this.#c, this.#scoring, bytes);
      setImageHeaders(headers, answer);
      headers.set("X-Cache", this.#c.var.facts.cache ?? "MISS");
      const seen = { sha256: answer.image.sha256, ...validatorsOf(response) };
      this.#services.waitUntil(this.#services.seenImages.put(this.#url.href, seen));
    } catch (thrown) {
      const error = toClassifierError(thrown);
      if (error.reason.code === "internal") this.#c.var.facts.error = error;
      this.#fail(headers, error.reason.code);
    }
  }

  #fail(headers: Headers, code: string): void {
    this.#c.var.facts.code = code;
    setClassifyError(headers, code);
  }
}

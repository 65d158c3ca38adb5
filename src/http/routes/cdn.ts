/** GET /cdn/*: images of IMAGE_ORIGIN, their bytes untouched, labels in headers. The image flows when all else fails. */
import type { Context, Hono } from "hono";
import { accepts } from "hono/accepts";
import type { Permit } from "../../admission.ts";
import { conditionsFor } from "../../cache/seen-images.ts";
import { freeBytes } from "../../free-bytes.ts";
import { cdnBufferMs, cdnClassifyMs, cdnWaitMs, requestOverheadBytes } from "../../limits.ts";
import { parseAllowedHosts } from "../../remote/allowed-hosts.ts";
import { contentLength } from "../../remote/fetch-image.ts";
import { refuseLoop } from "../../remote/loops.ts";
import { settleWithin, timedOut } from "../../timeout.ts";
import type { ClassifyAnswer } from "../answers.ts";
import { bufferUpTo, send } from "../cdn/buffered-body.ts";
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
import { answerOf, beginScoring, type Scoring, scoreImage } from "../score-images.ts";
import { classifyRemote } from "../score-remote.ts";
import { anchorOf, type GetServices, type Services } from "../services.ts";

export function addCdn(app: Hono<AppEnv>, services: GetServices): void {
  // HEAD too: the origin is then asked by HEAD.
  app.get("/cdn/*", (c) => cdn(c, services()));
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
  const scoring = beginScoring(c, services, { topKOf, functionToApply: "softmax", head });
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
    const permit = await this.#permit((length ?? maxImageBytes) + requestOverheadBytes);
    if (!permit) return this.#unclassified(response, headers, "overloaded");
    return this.#classified(response, headers, permit);
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
    this.#c.var.facts.code = code;
    setClassifyError(headers, code);
    return new Response(response.body, { status: response.status, headers });
  }

  /** Room for the image, or undefined when there is none soon. */
  async #permit(bytes: number): Promise<Permit | undefined> {
    try {
      return await this.#services.admission.acquire(
        { bytes, maxBytes: bytes },
        AbortSignal.timeout(cdnWaitMs),
      );
    } catch {
      return undefined;
    }
  }

  async #classified(response: Response, headers: Headers, permit: Permit): Promise<Response> {
    const { maxImageBytes } = this.#services.config;
    const body = response.body as ReadableStream<Uint8Array>;
    const buffered = await bufferUpTo(body, maxImageBytes, cdnBufferMs).catch((cause: unknown) => {
      permit.release();
      throw originFailed(`${this.#url.host} broke off`, cause);
    });
    const { bytes, rest } = buffered;
    permit.shrinkTo(bytes.length + requestOverheadBytes);
    this.#c.var.facts.bytes = bytes.length;
    const scored = rest ? this.#fail(headers, rest.reason) : this.#score(bytes, response, headers);
    if ((await settleWithin(scored, cdnClassifyMs)) === timedOut) await this.#fail(headers, "timeout");
    const { readable, bytesSent, allSent } = send(buffered, contentLength(response.headers));
    anchorOf(this.#c)(allSent);
    anchorOf(this.#c)(
      // The bytes are in use until both are done: scoring may go on after its time.
      Promise.all([bytesSent, scored]).then(() => {
        freeBytes(bytes);
        permit.release();
      }),
    );
    // A copy: what scoring says after its time comes too late.
    return new Response(readable, { status: 200, headers: new Headers(headers) });
  }

  /** Sets the headers. Never rejects. */
  async #score(bytes: Uint8Array, response: Response, headers: Headers): Promise<void> {
    try {
      const answer = await scoreImage(this.#c, this.#scoring, bytes);
      setImageHeaders(headers, answer);
      headers.set("X-Cache", this.#c.var.facts.cache ?? "MISS");
      const seen = { sha256: answer.image.sha256, ...validatorsOf(response) };
      anchorOf(this.#c)(this.#services.seenImages.put(this.#url.href, seen));
    } catch (thrown) {
      const error = toClassifierError(thrown);
      if (error.reason.code === "internal") this.#c.var.facts.error = error;
      await this.#fail(headers, error.reason.code);
    }
  }

  async #fail(headers: Headers, code: string): Promise<void> {
    this.#c.var.facts.code = code;
    setClassifyError(headers, code);
  }
}

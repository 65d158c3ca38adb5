/**
 * Fetches the image at a URL that a caller names: from allowed hosts only, every redirect checked, bounded in bytes and in
 * time. The length and the type that the server announces are not trusted.
 */
import { contentLength, type Room, readStream, type StreamFault } from "../bytes/read-stream.ts";
import { ClassifierError, imageTooLarge } from "../errors.ts";
import { retryAfterSeconds } from "../limits.ts";
import { type AllowedHosts, whyNotAllowed } from "./allowed-hosts.ts";
import { cfImageOptions, type Rendition } from "./renditions.ts";

/** Redirects to follow. Each target is checked like the first URL. */
const maxImageRedirects = 3;
/** Time for a server to answer with headers, redirects included. */
export const remoteHeadersMs = 10_000;
/** Time for the body of an image: 16 MiB at about 1 MiB per second. */
const remoteBodyMs = 20_000;
/** Slowest pace of a body, beyond its idle time. */
const minBodyBytesPerSecond = 128 * 1024;

/** How images may be fetched. */
export interface RemoteOptions {
  readonly hosts: AllowedHosts;
  /** Limit of the image's bytes. */
  readonly maxBytes: number;
  readonly fetch?: typeof fetch;
  /** Milliseconds for the headers, redirects included. */
  readonly headersMs?: number;
  /** Milliseconds for the body. */
  readonly bodyMs?: number;
}

/** @throws ClassifierError invalid_parameter */
export function parseImageUrl(value: string): URL {
  const url = value.length > maxUrlChars ? null : URL.parse(value);
  if (url) {
    url.hash = "";
    return url;
  }
  const expected = `an absolute https address of at most ${maxUrlChars} characters`;
  throw new ClassifierError({ code: "invalid_parameter", parameter: "url", value, expected });
}

const maxUrlChars = 2048;

const viaPseudonym = "edge-resnet";
/** Via (RFC 9110, 7.6.3) of every request that the Worker sends, so that it recognises its own requests. */
export const viaHeader = `1.1 ${viaPseudonym}`;

/**
 * Refuses a request that has passed through this Worker already.
 * @throws ClassifierError loop_detected
 */
export function refuseLoop(headers: Headers): void {
  const hops = (headers.get("Via") ?? "").split(",");
  if (hops.some((hop) => hop.trim().split(/\s+/)[1] === viaPseudonym)) {
    throw new ClassifierError({ code: "loop_detected" });
  }
}

/**
 * Asks for an image and follows redirects.
 * @param validators If-None-Match or If-Modified-Since, for an image that is known already
 * @throws ClassifierError host_not_allowed, image_unreachable, upstream_unavailable, image_too_large
 */
export async function openImage(
  { url, cfImage }: Rendition,
  options: RemoteOptions,
  validators: Readonly<Record<string, string>> = {},
) {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), options.headersMs ?? remoteHeadersMs);
  const init: RequestInit = {
    redirect: "manual",
    signal: controller.signal,
    headers: {
      Accept: "image/jpeg, image/*;q=0.8",
      "Accept-Encoding": "identity",
      Via: viaHeader,
      ...validators,
    },
    ...(cfImage ? { cf: { image: cfImageOptions } } : {}),
  };
  try {
    const response = await follow(url, init, options);
    return checked(response, url, options, controller);
  } catch (error) {
    controller.abort();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

async function follow(first: URL, init: RequestInit, options: RemoteOptions): Promise<Response> {
  let url = first;
  for (let hop = 0; hop <= maxImageRedirects; hop++) {
    refuseUnlessAllowed(url, options.hosts);
    const response = await attempt(url, init, options.fetch ?? fetch);
    const location = response.headers.get("Location");
    if (![301, 302, 303, 307, 308].includes(response.status) || location === null) return response;
    response.body?.cancel().catch(() => {});
    const next = URL.parse(location, url);
    if (!next) throw unreachable(`${url.host} redirects to something that is not an address`);
    url = next;
  }
  throw unreachable(`${first.host} redirects more than ${maxImageRedirects} times`);
}

async function attempt(url: URL, init: RequestInit, fetcher: typeof fetch): Promise<Response> {
  try {
    return await fetcher(url.href, init);
  } catch (cause) {
    const why = init.signal?.aborted ? "did not answer in time" : "cannot be reached";
    throw upstreamUnavailable(`${url.host} ${why}`, cause);
  }
}

/** A server's answer whose body has not been read. Call either read() or cancel(). */
function checked(response: Response, url: URL, options: RemoteOptions, controller: AbortController) {
  const { status, headers, body } = response;
  if (status >= 500 || status === 429) throw upstreamUnavailable(`${url.host} answers ${status}`);
  if (status !== 200 && status !== 304) throw unreachable(`${url.host} answers ${status}`);
  const announced = announcedBytes(headers);
  if (announced !== undefined && announced > options.maxBytes)
    throw imageTooLarge("bytes", announced, options.maxBytes);
  return {
    headers,
    /** The server answered 304: the validators still match, and there is no body. */
    notModified: status === 304,
    /** Bytes that the server announces, or else the limit. */
    expectedBytes: announced ?? options.maxBytes,
    cancel: () => controller.abort(),
    /**
     * @param room grows as bytes arrive
     * @throws ClassifierError image_too_large, upstream_unavailable, image_unreachable for an empty body
     */
    read: async (room?: Room): Promise<Uint8Array> => {
      const bodyMs = options.bodyMs ?? remoteBodyMs;
      const timer = setTimeout(() => controller.abort(), bodyMs);
      try {
        const bytes = body
          ? await readStream(body, {
              maxBytes: announced ?? options.maxBytes,
              expectedBytes: announced,
              pace: { idleMs: bodyMs, minBytesPerSecond: minBodyBytesPerSecond },
              room,
              errorOf: (fault) => bodyError(fault, url, announced),
            })
          : new Uint8Array(0);
        if (bytes.length === 0) throw unreachable(`${url.host} answers with an empty body`);
        return bytes;
      } catch (error) {
        controller.abort();
        throw error;
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

/** The announced length of the bytes that will be read: a compressed body is larger than its Content-Length. */
function announcedBytes(headers: Headers): number | undefined {
  const encoding = headers.get("Content-Encoding") ?? "identity";
  return encoding === "identity" ? contentLength(headers) : undefined;
}

function refuseUnlessAllowed(url: URL, hosts: AllowedHosts): void {
  const detail = whyNotAllowed(url, hosts);
  if (detail === undefined) return;
  const host = url.host || url.protocol;
  throw new ClassifierError({ code: "host_not_allowed", host, variable: "ALLOWED_IMAGE_HOSTS", detail });
}

function bodyError(fault: StreamFault, { host }: URL, announced: number | undefined): ClassifierError {
  if (fault.kind === "interrupted") {
    return upstreamUnavailable(`${host} broke off after ${fault.bytes} bytes: ${fault.detail}`, fault.cause);
  }
  if (announced === undefined) return imageTooLarge("bytes", fault.bytes, fault.limit);
  return upstreamUnavailable(
    `${host} sends more than the ${announced} bytes that its Content-Length announces`,
  );
}

function unreachable(detail: string): ClassifierError {
  return new ClassifierError({ code: "image_unreachable", detail });
}

/** Builds the retryable error for an image whose server failed or was too slow. */
export function upstreamUnavailable(detail: string, cause?: unknown): ClassifierError {
  return new ClassifierError({ code: "upstream_unavailable", detail, retryAfterSeconds }, { cause });
}

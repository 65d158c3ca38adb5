/** The image origin behind /cdn/: its address, what is asked of it, and what of its answer reaches the client. */
import { ClassifierError } from "../../errors.ts";
import { remoteHeadersMs, retryAfterSeconds } from "../../limits.ts";
import { viaHeader } from "../../remote/loops.ts";
import { settleWithin, timedOut } from "../../timeout.ts";

/** What a client asks that the origin is to answer itself: ranges, conditions, negotiation. No cookies, no keys. */
const forwarded = [
  "Accept",
  "Accept-Language",
  "If-Match",
  "If-Modified-Since",
  "If-None-Match",
  "If-Range",
  "If-Unmodified-Since",
  "Range",
  "User-Agent",
];

/** @throws ClassifierError host_not_allowed when there is no origin */
export function originUrl(origin: URL | undefined, request: URL): URL {
  if (!origin) {
    const detail = "there is no image origin";
    throw new ClassifierError({
      code: "host_not_allowed",
      host: request.pathname,
      variable: "IMAGE_ORIGIN",
      detail,
    });
  }
  const url = new URL(origin);
  // Assigned, not resolved: a path of //evil.test/ stays a path.
  url.pathname = origin.pathname.replace(/\/$/, "") + request.pathname.slice("/cdn".length);
  url.search = request.search;
  return url;
}

/**
 * The origin's answer, of any status; redirects are the client's to follow.
 * @throws ClassifierError upstream_unavailable
 */
export async function askOrigin(url: URL, request: Request): Promise<Response> {
  const headers = new Headers({ Via: viaHeader, "Accept-Encoding": "identity" });
  for (const name of forwarded) {
    const value = request.headers.get(name);
    if (value !== null) headers.set(name, value);
  }
  const controller = new AbortController();
  try {
    const init: RequestInit = {
      method: request.method,
      headers,
      redirect: "manual",
      signal: controller.signal,
    };
    const response = await settleWithin(fetch(url.href, init), remoteHeadersMs);
    if (response !== timedOut) return response;
  } catch (cause) {
    throw originFailed(`${url.host} cannot be reached`, cause);
  }
  controller.abort();
  throw originFailed(`${url.host} did not answer in time`);
}

export function originFailed(detail: string, cause?: unknown): ClassifierError {
  return new ClassifierError({ code: "upstream_unavailable", detail, retryAfterSeconds }, { cause });
}

/**
 * The origin's headers, without those that only we may set, and without its cookies. Whatever it serves (a page, an SVG)
 * runs no script under our name.
 */
export function clientHeaders(origin: Headers): Headers {
  const headers = new Headers(origin);
  for (const name of [...headers.keys()]) if (/^x-image-/i.test(name)) headers.delete(name);
  headers.delete("Set-Cookie");
  headers.set("X-Content-Type-Options", "nosniff");
  headers.set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox");
  headers.append("Vary", "Accept");
  return headers;
}

/** Whether a whole image may be in this answer, by what its headers say. */
export function mayBeImage({ status, headers, body }: Response): boolean {
  const type = headers.get("Content-Type") ?? "";
  return status === 200 && body !== null && /^$|^(image\/|application\/octet-stream)/i.test(type);
}

/** Bytes of the body as it is sent, where the origin says. */
export function contentLength(headers: Headers): number | undefined {
  const value = headers.get("Content-Length");
  return value !== null && /^\d{1,15}$/.test(value) ? Number(value) : undefined;
}

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

/** Of the connection to the origin (RFC 9110, 7.6.1), ours to say, or about the whole of a host that is not the origin's. */
const withheld = [
  "Alt-Svc",
  "Clear-Site-Data",
  "Connection",
  "Keep-Alive",
  "NEL",
  "Proxy-Authenticate",
  "Proxy-Authentication-Info",
  "Proxy-Connection",
  "Report-To",
  "Reporting-Endpoints",
  "Service-Worker-Allowed",
  "Set-Cookie",
  "Strict-Transport-Security",
  "TE",
  "Trailer",
  "Transfer-Encoding",
  "Upgrade",
  "X-Cache",
  "X-Request-Id",
];

/**
 * The origin's headers, without those that only we may set, and without its cookies. Whatever it serves (a page, an SVG)
 * runs no script under our name.
 * @param keyed whether the caller needed a key: then no shared cache may give the answer to those without one
 */
export function clientHeaders(origin: Headers, keyed: boolean): Headers {
  const headers = new Headers(origin);
  const named = (origin.get("Connection") ?? "").split(",").map((name) => name.trim());
  for (const name of named) if (/^[\w-]+$/.test(name)) headers.delete(name);
  for (const name of [...headers.keys()]) if (/^x-image-/i.test(name)) headers.delete(name);
  for (const name of withheld) headers.delete(name);
  if (keyed) keepFromSharedCaches(headers);
  headers.set("X-Content-Type-Options", "nosniff");
  headers.set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox");
  headers.append("Vary", "Accept");
  return headers;
}

function keepFromSharedCaches(headers: Headers): void {
  for (const name of ["CDN-Cache-Control", "Cloudflare-CDN-Cache-Control", "Surrogate-Control"]) {
    headers.delete(name);
  }
  const directives = (headers.get("Cache-Control") ?? "").split(",").map((directive) => directive.trim());
  // A shared cache may keep an answer to Authorization by each of these (RFC 9111, 3.5).
  const own = directives.filter((directive) => !/^(public|s-maxage\b.*|private\b.*|)$/i.test(directive));
  headers.set("Cache-Control", ["private", ...own].join(", "));
}

/** A status that a Response can have; an origin may send any three digits. */
export function isAnswer({ status }: Response): boolean {
  return status >= 200 && status <= 599;
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

/** The image origin behind /cdn/: the URL to ask, the request to send, and the headers of its answer that are passed on. */
import { type SeenImage, validatorsIn } from "../../cache/seen-images.ts";
import { settleWithin, timedOut } from "../../concurrency/timeout.ts";
import { ClassifierError } from "../../errors.ts";
import { remoteHeadersMs, retryAfterSeconds } from "../../limits.ts";
import { contentLength } from "../../remote/fetch-image.ts";
import { viaHeader } from "../../remote/loops.ts";

/** Request headers that the origin receives: ranges, conditions and negotiation. Never cookies or keys. */
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

/**
 * The URL of the image at the origin: the origin's own path, then the request's path after its first segment, as sent.
 * @throws ClassifierError host_not_allowed when there is no origin; invalid_parameter when the path has dot segments
 */
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
  // The router compares decoded paths: /c%64n/x is routed as /cdn/x, and its first segment has another length.
  const [, , ...segments] = request.pathname.split("/");
  const path = `/${segments.join("/")}`;
  refuseDotSegments(path);
  const url = new URL(origin);
  // Assigned, not resolved: a path of //evil.test/ stays a path.
  url.pathname = origin.pathname.replace(/\/$/, "") + path;
  url.search = request.search;
  return url;
}

/** Levels of percent-encoding that are looked through. No image needs a path that is encoded more often. */
const maxEncodings = 8;

/**
 * Refuses "." and ".." segments that the URL parser leaves in place because a separator or a dot is percent-encoded. An
 * origin, or a proxy in front of it, may decode the path any number of times before it resolves such segments, so every
 * level of encoding counts. Some servers (Tomcat) also drop what follows a semicolon: "..;x" is ".." to them.
 */
function refuseDotSegments(path: string): void {
  let decoded = path;
  for (let level = 0; level < maxEncodings && decoded.includes("%"); level++) decoded = decodedOnce(decoded);
  const isStable = decoded === decodedOnce(decoded);
  if (isStable && !decoded.split(/[/\\]/).some((segment) => /^\.{1,2}(;|$)/.test(segment))) return;
  throw new ClassifierError({
    code: "invalid_parameter",
    parameter: "path",
    value: path,
    expected: 'the path of an image below IMAGE_ORIGIN, with no "." or ".." segment in any encoding',
  });
}

/** Bytes become Latin-1 characters: only ASCII matters here. */
function decodedOnce(path: string): string {
  return path.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
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
 * The origin's response headers that clients receive. Everything else stays behind: what belongs to the connection, what
 * sets the policy of this host (security, CORS, cookies, reporting), and what makes a browser act (Refresh, Link's preload).
 */
const passedOn = [
  // What the body is.
  "Content-Type",
  "Content-Length",
  "Content-Encoding",
  "Content-Language",
  "Content-Disposition",
  "Content-Range",
  "Accept-Ranges",
  // How long it may be kept, and how to ask whether it has changed.
  "Age",
  "Cache-Control",
  "CDN-Cache-Control",
  "Cloudflare-CDN-Cache-Control",
  "Date",
  "ETag",
  "Expires",
  "Last-Modified",
  "Vary",
  // Where else, or when else, to ask.
  "Location",
  "Retry-After",
  // Whether search engines may list the image.
  "X-Robots-Tag",
];

/**
 * The headers for the client: those of the origin that describe the image, and a policy under which nothing that the
 * origin serves (a page, an SVG) can run a script under this host's name.
 * @param keyed whether the caller needed a key: no shared cache may then give the answer to callers without one
 */
export function clientHeaders(origin: Headers, keyed: boolean): Headers {
  const headers = new Headers();
  // RFC 9110, 7.6.1: a header that Connection names ends here, whatever it is.
  const hopByHop = (origin.get("Connection") ?? "").split(",").map((name) => name.trim().toLowerCase());
  for (const name of passedOn) {
    const value = origin.get(name);
    if (value !== null && !hopByHop.includes(name.toLowerCase())) headers.set(name, value);
  }
  if (contentLength(origin) === undefined) headers.delete("Content-Length");
  if (keyed) keepFromSharedCaches(headers);
  headers.set("X-Content-Type-Options", "nosniff");
  headers.set(
    "Content-Security-Policy",
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox",
  );
  headers.append("Vary", "Accept");
  return headers;
}

function keepFromSharedCaches(headers: Headers): void {
  for (const name of ["CDN-Cache-Control", "Cloudflare-CDN-Cache-Control"]) {
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

/**
 * The validators under which an answer may be remembered by its URL alone. None where the answer depends on a header that
 * the client chooses: the next client may get other bytes from the same URL.
 */
export function validatorsOf(response: Response): Pick<SeenImage, "etag" | "lastModified"> {
  return validatorsIn(response.headers, forwarded);
}

/** The image origin behind /cdn/: the URL, the request, and the response headers that clients receive. */
import { contentLength } from "../../bytes/read-stream.ts";
import { type SeenImage, validatorsIn } from "../../cache/seen-images.ts";
import { settleWithin, timedOut } from "../../concurrency/timeout.ts";
import type { ImageOrigin } from "../../config.ts";
import { ClassifierError } from "../../errors.ts";
import { remoteHeadersMs, upstreamUnavailable, viaHeader } from "../../remote/fetch-image.ts";

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
 * Returns the URL of an image at the origin: the origin's own path, then the request's path after its first segment, as sent.
 * @throws ClassifierError host_not_allowed without an origin; invalid_parameter if the path has dot segments
 */
export function originUrl(origin: ImageOrigin | undefined, request: URL): URL {
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
  const url = new URL(origin.url);
  // Assigned, not resolved: a path of //evil.test/ stays a path.
  url.pathname = origin.url.pathname.replace(/\/$/, "") + path;
  url.search = request.search;
  return url;
}

/** Levels of percent-encoding that are checked. Paths that are encoded more often are refused. */
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

/** Decodes bytes as Latin-1, because only ASCII matters here. */
function decodedOnce(path: string): string {
  return path.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

/**
 * Asks the origin for an image. Returns its response, whatever the status. Redirects are passed on to the client.
 * @throws ClassifierError upstream_unavailable
 */
export async function askOrigin(url: URL, request: Request): Promise<Response> {
  const headers = new Headers({ Via: viaHeader, "Accept-Encoding": "identity" });
  for (const name of forwarded) {
    const value = request.headers.get(name);
    if (value !== null) headers.set(name, value);
  }
  const controller = new AbortController();
  const { method } = request;
  const fetching = fetch(url.href, { method, headers, redirect: "manual", signal: controller.signal });
  const response = await settleWithin(fetching, remoteHeadersMs).catch((cause: unknown) => {
    throw upstreamUnavailable(`${url.host} cannot be reached`, cause);
  });
  if (response === timedOut) {
    controller.abort();
    throw upstreamUnavailable(`${url.host} did not answer in time`);
  }
  if (isAnswer(response)) return response;
  response.body?.cancel().catch(() => {});
  throw upstreamUnavailable(`${url.host} answers ${response.status}`);
}

/** Whether a Response can have this status. An origin may send any three digits. */
export function isAnswer({ status }: Response): boolean {
  return status >= 200 && status <= 599;
}

/**
 * The origin's response headers that clients receive. All others are dropped: those of the connection, those that set a
 * policy for this host (security, CORS, cookies, reporting), and those that make a browser act (Refresh, Link's preload).
 */
const passedOn = [
  // The body.
  "Content-Type",
  "Content-Length",
  "Content-Encoding",
  "Content-Language",
  "Content-Disposition",
  "Content-Range",
  "Accept-Ranges",
  // Caching and validation.
  "Age",
  "Cache-Control",
  "CDN-Cache-Control",
  "Cloudflare-CDN-Cache-Control",
  "Date",
  "ETag",
  "Expires",
  "Last-Modified",
  "Vary",
  // Redirects and retries.
  "Location",
  "Retry-After",
  // Whether search engines may list the image.
  "X-Robots-Tag",
];

/**
 * Returns the headers for the client: those of the origin that describe the image, and a policy under which no page or SVG of
 * the origin can run a script under this host's name.
 * @param keyed whether the caller needed a key. No shared cache may then serve the answer to callers without one.
 */
export function clientHeaders(origin: Headers, keyed: boolean): Headers {
  const headers = new Headers();
  // RFC 9110, 7.6.1: headers that Connection names are for this hop only.
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
  // Each of these lets a shared cache store an answer to a request with Authorization (RFC 9111, 3.5).
  const own = directives.filter((directive) => !/^(public|s-maxage\b.*|private\b.*|)$/i.test(directive));
  headers.set("Cache-Control", ["private", ...own].join(", "));
}

/** Whether the response may carry a whole image, by its status and headers. */
export function mayBeImage({ status, headers, body }: Response): boolean {
  const type = headers.get("Content-Type") ?? "";
  return status === 200 && body !== null && /^$|^(image\/|application\/octet-stream)/i.test(type);
}

/**
 * Returns the validators under which the hash of a response may be remembered by its URL. Empty if the response varies by a
 * header that the client chooses, because the next client may get other bytes from the same URL.
 */
export function validatorsOf(response: Response): Pick<SeenImage, "etag" | "lastModified"> {
  return validatorsIn(response.headers, forwarded);
}

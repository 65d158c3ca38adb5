/** Who may call: the sites whose pages may (CORS), the holders of API keys, and how often each caller may. */
import type { Context, MiddlewareHandler } from "hono";
import { bearerAuth } from "hono/bearer-auth";
import { cors } from "hono/cors";
import { hexOf, sha256 } from "../bytes/byte-arrays.ts";
import { settleWithin, timedOut } from "../concurrency/timeout.ts";
import type { RateLimiter } from "../config.ts";
import { ClassifierError } from "../errors.ts";
import type { AppEnv, GetServices } from "./context.ts";

/** Response headers that a page may read, beside those that CORS always allows. */
const exposeHeaders = [
  "ETag",
  "Retry-After",
  "Server-Timing",
  "WWW-Authenticate",
  "X-Cache",
  "X-Request-Id",
  "X-Image-Label",
  "X-Image-Score",
  "X-Image-Sha256",
  "X-Image-Classify-Error",
];
/** Lifetime of a preflight response. Chromium caps it at this value. */
const preflightSeconds = 7_200;

/** Answers preflights, and adds the CORS headers for the origins of CORS_ORIGINS: none by default. */
export function crossOrigin(services: GetServices): MiddlewareHandler<AppEnv> {
  let allow: MiddlewareHandler | undefined;
  return async (c, next) => {
    // Other OPTIONS requests go on to the routes, which answer 405 with Allow.
    const preflight = c.req.header("Access-Control-Request-Method") !== undefined;
    const origins = originsOf(services);
    if (origins.length === 0 || (c.req.method === "OPTIONS" && !preflight)) return next();
    const [first] = origins;
    allow ??= cors({
      origin: first === "*" ? "*" : [...origins],
      allowMethods: ["GET", "HEAD", "POST"],
      allowHeaders: ["Authorization", "Content-Type", "If-None-Match"],
      exposeHeaders,
      maxAge: preflightSeconds,
    });
    return allow(c, next);
  };
}

/** Allows no origin if the configuration is invalid. The auth middleware then reports what is wrong. */
function originsOf(services: GetServices): readonly string[] {
  try {
    return services().config.corsOrigins;
  } catch {
    return [];
  }
}

/** Liveness probes have no key and are not counted by the rate limit. */
const livenessPath = "/healthz";
/** Paths that need no key. The API description holds no data of the deployment, and a browser has no key to send. */
const openPaths: ReadonlySet<string> = new Set([livenessPath, "/openapi.json", "/docs"]);

/**
 * Refuses requests without a valid API key. If the configured keys are invalid, it refuses every request. Without keys the
 * endpoint is open; the first request of a deployed isolate then logs a warning, because everyone who knows the URL can
 * spend the owner's money.
 * @throws ClassifierError unauthorized, misconfigured
 */
export function auth(
  services: GetServices,
  log: (event: Readonly<Record<string, unknown>>) => void,
  timingSafeEqual: (a: Uint8Array, b: Uint8Array) => boolean,
): MiddlewareHandler<AppEnv> {
  let keyHashes: readonly Uint8Array[] | undefined;
  let warned = false;
  const authenticate = bearerAuth<AppEnv>({
    realm: "edge-resnet",
    // The error handler builds the answer and its challenge. These functions always throw.
    noAuthenticationHeader: { message: () => refuse("missing") },
    invalidAuthenticationHeader: { message: () => refuse("malformed") },
    invalidToken: { message: () => refuse("wrong") },
    verifyToken: async (token, c) => {
      // Store the hashes, not their promise: the promise of a cancelled request may never settle.
      keyHashes ??= await Promise.all(services().config.apiKeys.map(hashOf));
      const hash = await hashOf(token);
      // Compare with every key, so that the time does not depend on which one matches.
      const matches = keyHashes.filter((known) => timingSafeEqual(known, hash));
      if (matches.length === 0) return false;
      c.set("keyHash", hexOf(hash));
      return true;
    },
  });
  return async (c, next) => {
    if (openPaths.has(c.req.path)) return next();
    if (services().config.apiKeys.length > 0) return authenticate(c, next);
    if (!warned && !isLocal(new URL(c.req.url).hostname)) {
      warned = true;
      log({ event: "open_endpoint", reason: "API_KEYS is not set: everyone who knows the URL may call" });
    }
    return next();
  };
}

function refuse(detail: "missing" | "malformed" | "wrong"): never {
  throw new ClassifierError({ code: "unauthorized", detail });
}

function hashOf(key: string): Promise<Uint8Array> {
  return sha256(new TextEncoder().encode(key));
}

/** Whether a request's host is this machine: `wrangler dev` serves it, and nobody else can reach it. */
export function isLocal(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname);
}

/** Time for the binding, which is in the same location, to answer. */
const rateLimitTimeoutMs = 500;
/** Retry-After of a 429. The binding does not report its period; 60 s is the longest possible. */
const rateLimitRetrySeconds = 60;

/**
 * Refuses requests over the limit of Cloudflare's rate-limit binding. Counts by API key, or by address if the deployment has
 * no keys. Off without the binding. If the binding fails or does not answer within `timeoutMs`, the request passes.
 * @throws ClassifierError rate_limited
 */
export function rateLimit(
  limiter: RateLimiter | undefined,
  log: (event: Readonly<Record<string, unknown>>) => void,
  timeoutMs = rateLimitTimeoutMs,
): MiddlewareHandler<AppEnv> {
  const allows = async (binding: RateLimiter, key: string): Promise<boolean> => {
    try {
      const outcome = await settleWithin(binding.limit({ key }), timeoutMs);
      if (outcome === timedOut) throw new Error(`no answer within ${timeoutMs} ms`);
      if (typeof outcome?.success !== "boolean") throw new Error("an answer without success");
      return outcome.success;
    } catch (error) {
      log({ event: "rate_limit_failed", reason: String(error) });
      return true;
    }
  };
  return async (c, next) => {
    if (!limiter || c.req.path === livenessPath) return next();
    if (await allows(limiter, callerOf(c))) return next();
    throw new ClassifierError({ code: "rate_limited", retryAfterSeconds: rateLimitRetrySeconds });
  };
}

function callerOf(c: Context<AppEnv>): string {
  const { keyHash } = c.var;
  return keyHash === undefined ? `ip:${network(c.req.header("CF-Connecting-IP"))}` : `key:${keyHash}`;
}

/** Returns an IPv4 address, or the /64 network of an IPv6 address: one holder has the whole network. */
export function network(address: string | undefined): string {
  if (address === undefined) return "unknown";
  if (!address.includes(":")) return address;
  const [head = "", tail] = address.toLowerCase().split("::");
  const groups = head.split(":").filter(Boolean);
  if (tail !== undefined) {
    const after = tail.split(":").filter(Boolean).length;
    while (groups.length < 8 - after) groups.push("0");
  }
  while (groups.length < 4) groups.push("0");
  return `${groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ""))
    .join(":")}::/64`;
}

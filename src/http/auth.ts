/**
 * Authentication by API key. Without keys the endpoint is open; the first request of a deployed isolate then logs a
 * warning, because everyone who knows the URL can spend the owner's money.
 */
import type { MiddlewareHandler } from "hono";
import { bearerAuth } from "hono/bearer-auth";
import { hexOf, sha256 } from "../bytes/sha256.ts";
import { ClassifierError } from "../errors.ts";
import type { AppEnv } from "./context.ts";
import type { GetServices } from "./services.ts";

/** Liveness probes have no key and are not counted by the rate limit. */
export const livenessPath = "/healthz";
/** Paths that need no key. The API description is the same for every Worker, and a browser has no key to send. */
const openPaths: ReadonlySet<string> = new Set([livenessPath, "/openapi.json", "/docs"]);

/**
 * Refuses requests without a valid key. If the configured keys are invalid, it refuses every request.
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

function isLocal(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127\./.test(hostname);
}

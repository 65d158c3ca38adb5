/**
 * The door: who is let in, by API key. Open when no keys are set; then the first request of a deployed isolate
 * leaves a line in the log, since everyone who knows the address spends the owner's money.
 */
import type { MiddlewareHandler } from "hono";
import { bearerAuth } from "hono/bearer-auth";
import { sha256Hex } from "../bytes/sha256.ts";
import { ClassifierError } from "../errors.ts";
import { equalInConstantTime } from "./constant-time.ts";
import type { AppEnv } from "./context.ts";
import type { GetServices } from "./services.ts";

/** A probe has no key and must not be counted. */
export const livenessPath = "/healthz";
/** Paths that anyone may call. The API's description is the same for every Worker, and a browser has no key for it. */
const openPaths: ReadonlySet<string> = new Set([livenessPath, "/openapi.json", "/docs"]);

/** Throws ClassifierError unauthorized, or misconfigured when the keys do not hold: a broken lock stays locked. */
export function door(
  services: GetServices,
  log: (event: Readonly<Record<string, unknown>>) => void,
): MiddlewareHandler<AppEnv> {
  let keyHashes: readonly string[] | undefined;
  let warned = false;
  const authenticate = bearerAuth<AppEnv>({
    realm: "edge-resnet",
    // The error handler makes the answer, challenge included: these never return.
    noAuthenticationHeader: { message: () => refuse("missing") },
    invalidAuthenticationHeader: { message: () => refuse("malformed") },
    invalidToken: { message: () => refuse("wrong") },
    verifyToken: async (token, c) => {
      // Kept when it is there, not while it is made: a promise of a request that is cancelled may never settle.
      keyHashes ??= await Promise.all(services().config.apiKeys.map(hashOf));
      const hash = await hashOf(token);
      // Every key is compared, whichever fits: the time tells nothing.
      const matches = keyHashes.filter((known) => equalInConstantTime(known, hash));
      if (matches.length === 0) return false;
      c.set("keyHash", hash);
      return true;
    },
  });
  return async (c, next) => {
    if (openPaths.has(c.req.path)) return next();
    if (services().config.apiKeys.length > 0) return authenticate(c, next);
    if (!warned && !isLocal(new URL(c.req.url).hostname)) {
      warned = true;
      log({ event: "open_endpoint", reason: "API_KEYS is not set: everyone who knows the address may call" });
    }
    return next();
  };
}

function refuse(detail: "missing" | "malformed" | "wrong"): never {
  throw new ClassifierError({ code: "unauthorized", detail });
}

function hashOf(key: string): Promise<string> {
  return sha256Hex(new TextEncoder().encode(key));
}

function isLocal(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127\./.test(hostname);
}

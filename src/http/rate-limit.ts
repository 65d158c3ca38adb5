/** Limits the requests of a caller, by Cloudflare's rate-limit binding. Off without the binding. */

import type { Context, MiddlewareHandler } from "hono";
import { settleWithin, timedOut } from "../concurrency/timeout.ts";
import type { RateLimiter } from "../config.ts";
import { ClassifierError } from "../errors.ts";
import { livenessPath } from "./auth.ts";
import type { AppEnv } from "./context.ts";

/** Time for the binding, which is in the same location, to answer. */
const rateLimitTimeoutMs = 500;
/** Retry-After of a 429. The binding does not tell its period, and 60 s is the longest possible. */
const rateLimitRetrySeconds = 60;

/**
 * Refuses requests over the limit. Counts by API key, or by address if the deployment has no keys. A binding that fails, or
 * does not answer within `timeoutMs`, lets the request pass.
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

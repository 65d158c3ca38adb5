/** CORS: which other sites' pages may call. Off by default. */
import type { MiddlewareHandler } from "hono";
import { cors } from "hono/cors";
import type { AppEnv } from "./context.ts";
import type { GetServices } from "./services.ts";

/** What a page may read of an answer beside the headers that CORS always shows. */
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
/** Time for which a browser keeps the answer to a preflight: the most that Chromium takes. */
const preflightSeconds = 7_200;

export function crossOrigin(services: GetServices): MiddlewareHandler<AppEnv> {
  let allow: MiddlewareHandler | undefined;
  return async (c, next) => {
    // No page calls without an Origin, and what is not a preflight is for the routes: OPTIONS is then a 405 with Allow.
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

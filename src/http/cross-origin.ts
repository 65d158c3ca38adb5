/** CORS: the sites whose pages may call the Worker. None by default. */
import type { MiddlewareHandler } from "hono";
import { cors } from "hono/cors";
import type { AppEnv } from "./context.ts";
import type { GetServices } from "./services.ts";

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

/** Answers preflights, and adds the CORS headers for the origins of CORS_ORIGINS. */
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

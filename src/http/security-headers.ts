/** Headers that every answer carries. What a route has set itself is kept. */
import type { MiddlewareHandler } from "hono";
import { secureHeaders } from "hono/secure-headers";
import type { AppEnv } from "./context.ts";

const addSecurityHeaders = secureHeaders({
  // Answers are data: nothing in them may load or run anything. A page sets a policy of its own.
  contentSecurityPolicy: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
  xFrameOptions: "DENY",
  // Without includeSubDomains: the owner's other hosts are not ours to pin.
  strictTransportSecurity: "max-age=15552000",
  // Images may be shown by other sites' pages; JSON is kept from them by nosniff and CORS.
  crossOriginResourcePolicy: false,
  // About pages, or about browsers long gone.
  crossOriginOpenerPolicy: false,
  originAgentCluster: false,
  xDnsPrefetchControl: false,
  xDownloadOptions: false,
  xPermittedCrossDomainPolicies: false,
  xXssProtection: false,
  overwrite: false,
});

export function securityHeaders(): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    await addSecurityHeaders(c, next);
    const json = /^application\/(problem\+)?json\b/.test(c.res.headers.get("Content-Type") ?? "");
    // What may be kept says so itself; a 304 has no type and keeps what its route said.
    if (json && !c.res.headers.has("Cache-Control")) c.res.headers.set("Cache-Control", "no-store");
  };
}

/** Security headers of every response. They do not replace headers that a route has set. */
import type { MiddlewareHandler } from "hono";
import { secureHeaders } from "hono/secure-headers";
import type { AppEnv } from "./context.ts";

const addSecurityHeaders = secureHeaders({
  // Responses are data. Pages set a policy of their own.
  contentSecurityPolicy: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
  xFrameOptions: "DENY",
  // Without includeSubDomains, because the owner's other hosts are not concerned.
  strictTransportSecurity: "max-age=15552000",
  // Pages of other sites may show images. nosniff and CORS protect JSON.
  crossOriginResourcePolicy: false,
  // These concern pages, or browsers that are no longer in use.
  crossOriginOpenerPolicy: false,
  originAgentCluster: false,
  xDnsPrefetchControl: false,
  xDownloadOptions: false,
  xPermittedCrossDomainPolicies: false,
  xXssProtection: false,
  overwrite: false,
});

/** Adds the security headers, and keeps JSON out of caches unless its route allows them. */
export function securityHeaders(): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    await addSecurityHeaders(c, next);
    const json = /^application\/(problem\+)?json\b/.test(c.res.headers.get("Content-Type") ?? "");
    if (json && !c.res.headers.has("Cache-Control")) c.res.headers.set("Cache-Control", "no-store");
  };
}

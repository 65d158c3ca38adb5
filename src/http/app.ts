/** The HTTP API: middleware, routes, error handling and security headers. */
import { type Context, Hono, type MiddlewareHandler } from "hono";
import { methodNotAllowed } from "hono/method-not-allowed";
import { requestId } from "hono/request-id";
import { secureHeaders } from "hono/secure-headers";
import { timing } from "hono/timing";
import { cachePath } from "../cache/byte-stores.ts";
import type { AnalyticsDataset, RateLimiter } from "../config.ts";
import { ClassifierError, toClassifierError } from "../errors.ts";
import { auth, crossOrigin, rateLimit } from "./access.ts";
import type { AppEnv, GetServices } from "./context.ts";
import { addOpenApi } from "./openapi/api.ts";
import { httpStatus, problemResponse } from "./problem.ts";
import { analytics, requestLog } from "./request-log.ts";
import { addCdn } from "./routes/cdn.ts";
import { addClassify } from "./routes/classify.ts";
import { addEmbed } from "./routes/embed.ts";
import { addHeads } from "./routes/heads.ts";
import { addHealth } from "./routes/health.ts";
import { addHuggingFace } from "./routes/huggingface.ts";
import { addModel } from "./routes/model.ts";
import { addPictures } from "./routes/pictures.ts";
import { addPicturesWork } from "./routes/pictures-work.ts";

export interface AppOptions {
  readonly services: GetServices;
  readonly log: (event: Readonly<Record<string, unknown>>) => void;
  readonly rateLimiter?: RateLimiter | undefined;
  readonly analytics?: AnalyticsDataset | undefined;
  /** Compares values of equal length in constant time. Workers have it in crypto.subtle, Node in node:crypto. */
  readonly timingSafeEqual: (a: Uint8Array, b: Uint8Array) => boolean;
}

export function createApp(options: AppOptions): Hono<AppEnv> {
  const { services, log } = options;
  const app = new Hono<AppEnv>();
  app.use(requestId());
  app.use(timing());
  app.use(requestLog(log, services));
  app.use(analytics(options.analytics, log));
  app.use(securityHeaders());
  // Before auth: a browser sends no key with a preflight, and its page must be able to read a 401.
  app.use(crossOrigin(services));
  app.use(auth(services, log, options.timingSafeEqual));
  app.use(rateLimit(options.rateLimiter, log));
  app.use(keepRunning);
  app.use(
    methodNotAllowed({
      app,
      onMethodNotAllowed: (c, allowed) => {
        throw new ClassifierError({ code: "method_not_allowed", method: c.req.method, allowed });
      },
    }),
  );
  app.notFound((c) => fail(c, new ClassifierError({ code: "not_found", path: c.req.path })));
  app.onError((error, c) => fail(c, error));
  app.all(`${cachePath}*`, (c) => c.notFound());
  const routes = [addHealth, addModel, addHeads, addClassify, addEmbed, addHuggingFace, addCdn];
  for (const add of [...routes, addPictures, addPicturesWork, addOpenApi]) add(app, services);
  return app;
}

/** Keeps the request running after its client disconnects, so that cleanup always happens. */
const keepRunning: MiddlewareHandler<AppEnv> = (c, next) => {
  const done = next();
  c.executionCtx.waitUntil(done.catch(() => {}));
  return done;
};

function fail(c: Context<AppEnv>, thrown: unknown): Response {
  const error = toClassifierError(thrown);
  c.var.scoring.facts.code = error.reason.code;
  // Only failures of ours are explained in the log; what a caller did wrong is in the code.
  if (httpStatus(error) >= 500) c.var.scoring.facts.error = error;
  return problemResponse(error, c.var.requestId);
}

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
function securityHeaders(): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    await addSecurityHeaders(c, next);
    const json = /^application\/(problem\+)?json\b/.test(c.res.headers.get("Content-Type") ?? "");
    if (json && !c.res.headers.has("Cache-Control")) c.res.headers.set("Cache-Control", "no-store");
  };
}

/**
 * Writes one data point per request to Workers Analytics Engine, for counts, errors, cache and latency. Off without the
 * binding. docs/operations.md names the columns. Their order must not change, because stored data relies on it.
 */

import type { MiddlewareHandler } from "hono";
import { routePath } from "hono/route";
import type { AnalyticsDataset } from "../config.ts";
import type { AppEnv } from "./context.ts";

/** Writes a data point after each request. A failure is logged and does not affect the request. */
export function analytics(
  dataset: AnalyticsDataset | undefined,
  log: (event: Readonly<Record<string, unknown>>) => void,
): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    if (!dataset) return next();
    const startedMs = performance.now();
    await next();
    const { code = "ok", cache = "", model = "", bytes = 0 } = c.var.scoring.facts;
    try {
      dataset.writeDataPoint({
        // Analytics Engine samples per index, so a flood of successes does not hide the errors.
        indexes: [code],
        // The pattern of the route, because paths are unbounded.
        blobs: [c.req.method, routePath(c, -1), code, cache, model],
        doubles: [c.res.status, bytes, performance.now() - startedMs],
      });
    } catch (error) {
      log({ event: "analytics_failed", reason: String(error) });
    }
  };
}

/**
 * One data point a request in Workers Analytics Engine, for counts, errors, cache and latency. Off without the
 * binding. The columns are named in docs/operations.md: their order is a contract with stored data.
 */

import type { MiddlewareHandler } from "hono";
import { routePath } from "hono/route";
import type { AnalyticsDataset } from "../config.ts";
import type { AppEnv } from "./context.ts";

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
        // What is sampled is sampled an index: a flood of good answers does not hide the errors.
        indexes: [code],
        // The route's pattern, not the path: what strangers type is no dimension.
        blobs: [c.req.method, routePath(c, -1), code, cache, model],
        doubles: [c.res.status, bytes, performance.now() - startedMs],
      });
    } catch (error) {
      log({ event: "analytics_failed", reason: String(error) });
    }
  };
}

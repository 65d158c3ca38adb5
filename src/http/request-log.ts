/** Records each request: a structured log line, and a data point for Workers Analytics Engine. Image content is never recorded. */
import type { MiddlewareHandler } from "hono";
import { routePath } from "hono/route";
import { setMetric } from "hono/timing";
import { type RequestFacts, Stages } from "../classifier/classifier.ts";
import type { AnalyticsDataset } from "../config.ts";
import type { ClassifierError } from "../errors.ts";
import type { DecodeScale } from "../image/rgb-image.ts";
import type { AppEnv, GetServices } from "./context.ts";

const maxLoggedPath = 200;

/** Logs each request when its answer is ready, with what the isolate's requests still hold at that moment. */
export function requestLog(
  log: (event: Readonly<Record<string, unknown>>) => void,
  services: GetServices,
): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const stages = new Stages();
    const facts: RequestFacts = {};
    c.set("scoring", { signal: c.req.raw.signal, stages, facts });
    const startedMs = performance.now();
    await next();
    const stagesMs: Record<string, number> = {};
    for (const [stage, ms] of stages.entries()) {
      stagesMs[stage] = rounded(ms);
      if (stage === "run" && facts.engine) setMetric(c, stage, rounded(ms), facts.engine);
      else setMetric(c, stage, rounded(ms));
    }
    log({
      event: "request",
      id: c.var.requestId,
      method: c.req.method,
      path: c.req.path.slice(0, maxLoggedPath),
      status: c.res.status,
      code: facts.code ?? "ok",
      cache: facts.cache,
      bytes: facts.bytes,
      decode: decoding(facts.decode),
      engine: facts.engine,
      model: facts.model,
      head: facts.head,
      ms: rounded(performance.now() - startedMs),
      stages_ms: stagesMs,
      ...inFlight(services),
      ...failure(facts.error),
    });
  };
}

function decoding(decode: DecodeScale | undefined): Record<string, unknown> | undefined {
  if (!decode) return undefined;
  return { decoder: decode.decoder, scale: decode.eighths / 8, cost_bytes: decode.costBytes };
}

/** Empty if the deployment is misconfigured, because no request then holds anything. */
function inFlight(services: GetServices): Record<string, number> {
  try {
    const { permits, heldBytes, waiting } = services().admission;
    return { permits, permit_bytes: heldBytes, waiting };
  } catch {
    return {};
  }
}

function failure(error: ClassifierError | undefined): Record<string, unknown> {
  if (!error) return {};
  const cause = error.cause instanceof Error ? (error.cause.stack ?? error.cause.message) : error.cause;
  return { reason: error.message, cause: cause === undefined ? undefined : String(cause) };
}

function rounded(ms: number): number {
  return Math.round(ms * 10) / 10;
}

/**
 * Writes a data point after each request, for counts, errors, cache and latency. Off without the binding. A failure is
 * logged and does not affect the request. docs/operations.md names the columns. Their order must not change, because stored
 * data relies on it.
 */
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

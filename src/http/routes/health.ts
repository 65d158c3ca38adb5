/** GET /healthz: alive. GET /readyz: able to answer. */
import type { Hono } from "hono";
import type { z } from "zod";
import type { AppEnv } from "../context.ts";
import type { healthSchema, readinessSchema } from "../schemas/health.ts";
import { type GetServices, modelOf } from "../services.ts";

/** Adds both routes. /readyz is behind the door: with API_KEYS set, only a caller with a key sees what it tells. */
export function addHealth(app: Hono<AppEnv>, services: GetServices): void {
  app.get("/healthz", (c) => c.json({ status: "ok" } satisfies z.infer<typeof healthSchema>));

  app.get("/readyz", async (c) => {
    const { classifier, admission } = services();
    const { host } = classifier;
    const { pack, shards } = await c.var.stages.time("load", () => host.load());
    c.header("Cache-Control", "no-store");
    const { permits, heldBytes, capacityBytes, waiting } = admission;
    return c.json({
      ready: true,
      model: modelOf(pack),
      shards,
      wasm_heap_bytes: host.heapBytes(),
      in_flight: { permits, permit_bytes: heldBytes, capacity_bytes: capacityBytes, waiting },
    } satisfies z.infer<typeof readinessSchema>);
  });
}

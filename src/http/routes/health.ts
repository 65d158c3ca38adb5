/** GET /healthz: alive. GET /readyz: able to answer. */
import type { Hono } from "hono";
import type { z } from "zod";
import type { AppEnv } from "../context.ts";
import type { healthSchema, readinessSchema } from "../schemas/health.ts";
import { anchorOf, type GetServices, modelOf } from "../services.ts";

export function addHealth(app: Hono<AppEnv>, services: GetServices): void {
  app.get("/healthz", (c) => c.json({ status: "ok" } satisfies z.infer<typeof healthSchema>));

  app.get("/readyz", async (c) => {
    const { host } = services().classifier;
    const { pack, shards } = await c.var.stages.time("load", () => host.load(anchorOf(c)));
    c.header("Cache-Control", "no-store");
    const answer = { ready: true, model: modelOf(pack), shards, wasm_heap_bytes: host.heapBytes() } as const;
    return c.json(answer satisfies z.infer<typeof readinessSchema>);
  });
}

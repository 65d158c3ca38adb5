/** GET /healthz: alive. GET /readyz: able to answer. */
import type { Hono } from "hono";
import type { AppEnv } from "../context.ts";
import { anchorOf, type GetServices, modelOf } from "../services.ts";

export function addHealth(app: Hono<AppEnv>, services: GetServices): void {
  app.get("/healthz", (c) => c.json({ status: "ok" }));

  app.get("/readyz", async (c) => {
    const { host } = services().classifier;
    const { pack, shards } = await c.var.stages.time("load", () => host.load(anchorOf(c)));
    c.header("Cache-Control", "no-store");
    return c.json({ ready: true, model: modelOf(pack), shards, wasm_heap_bytes: host.heapBytes() });
  });
}

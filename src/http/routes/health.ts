/** GET /healthz: whether the Worker runs. GET /readyz: whether it can classify, and the memory that its requests hold. */
import type { Hono } from "hono";
import { z } from "zod";
import { modelOf } from "../../classifier/options.ts";
import { engineNames } from "../../model/engine.ts";
import type { AppEnv, GetServices } from "../context.ts";
import type { RouteDoc } from "../openapi/document.ts";
import { modelNameSchema } from "../schemas.ts";

/** Adds both routes. /readyz needs an API key if the deployment has API keys. */
export function addHealth(app: Hono<AppEnv>, services: GetServices): void {
  app.get("/healthz", (c) => c.json({ status: "ok" } satisfies z.infer<typeof healthSchema>));

  app.get("/readyz", async (c) => {
    const { classifier, admission } = services();
    const { host } = classifier;
    const { pack, shards, engine } = await c.var.scoring.stages.time("load", () => host.load());
    c.header("Cache-Control", "no-store");
    const { permits, heldBytes, capacityBytes, waiting } = admission;
    return c.json({
      ready: true,
      model: modelOf(pack),
      engine,
      shards,
      wasm_heap_bytes: host.heapBytes(),
      in_flight: { permits, permit_bytes: heldBytes, capacity_bytes: capacityBytes, waiting },
    } satisfies z.infer<typeof readinessSchema>);
  });
}

/** Answer of GET /healthz. */
export const healthSchema = z.strictObject({ status: z.literal("ok") });
/** Answer of GET /readyz. */
export const readinessSchema = z.strictObject({
  ready: z.literal(true),
  model: modelNameSchema,
  engine: z.enum(engineNames).describe("What runs the model."),
  shards: z.int().min(1),
  wasm_heap_bytes: z
    .int()
    .min(1)
    .describe("Memory of the engines, the only WASM memory of the Worker. It never shrinks."),
  in_flight: z
    .strictObject({
      permits: z.int().min(0).describe("Requests that hold memory for a body."),
      permit_bytes: z.int().min(0).describe("Bytes that they hold in total."),
      capacity_bytes: z.int().min(1).describe("Bytes that they may hold in total."),
      waiting: z.int().min(0).describe("Requests that wait for memory."),
    })
    .describe("What the requests of this isolate hold. All zero except the capacity when it is idle."),
});

/** Both routes, for the OpenAPI document. */
export const healthDocs: readonly RouteDoc[] = [
  {
    method: "get",
    path: "/healthz",
    operationId: "getHealth",
    summary: "Check that the Worker is alive",
    description: "Loads nothing and needs no key.",
    open: true,
    uncounted: true,
    answer: { description: "The Worker is alive", schema: healthSchema },
  },
  {
    method: "get",
    path: "/readyz",
    operationId: "getReadiness",
    summary: "Check that the Worker can classify",
    description: "Loads the model unless it is loaded.",
    answer: { description: "The model is loaded", schema: readinessSchema },
    errors: ["model_unavailable"],
  },
];

/** /healthz and /readyz. */
import { z } from "zod";
import type { RouteDoc } from "../openapi/route-doc.ts";
import { modelNameSchema } from "./model.ts";

/** Answer of GET /healthz. */
export const healthSchema = z.strictObject({ status: z.literal("ok") });
/** Answer of GET /readyz. */
export const readinessSchema = z.strictObject({
  ready: z.literal(true),
  model: modelNameSchema,
  shards: z.int().min(1),
  wasm_heap_bytes: z.int().min(1).describe("memory of ONNX Runtime, the only WASM memory; it never shrinks"),
  in_flight: z
    .strictObject({
      permits: z.int().min(0).describe("requests that hold memory for a body"),
      permit_bytes: z.int().min(0).describe("bytes that they hold together"),
      capacity_bytes: z.int().min(1).describe("bytes that they may hold together"),
      waiting: z.int().min(0).describe("requests that wait for memory"),
    })
    .describe("what the requests of this isolate hold now; all zero, but for the capacity, when it is idle"),
});

/** Both routes, for the OpenAPI document. */
export const healthDocs: readonly RouteDoc[] = [
  {
    method: "get",
    path: "/healthz",
    operationId: "getHealth",
    summary: "Whether the Worker is alive",
    description: "Loads nothing and needs no key.",
    open: true,
    uncounted: true,
    answer: { description: "It is alive", schema: healthSchema },
  },
  {
    method: "get",
    path: "/readyz",
    operationId: "getReadiness",
    summary: "Whether the Worker can classify",
    description:
      "Loads the model if it is not loaded yet. Describes the isolate that answers, not the others.",
    answer: { description: "The model is loaded", schema: readinessSchema },
    errors: ["model_unavailable"],
  },
];

/** /healthz and /readyz. */
import { z } from "zod";
import type { RouteDoc } from "../openapi/route-doc.ts";
import { modelNameSchema } from "./model.ts";

export const healthSchema = z.strictObject({ status: z.literal("ok") });
export const readinessSchema = z.strictObject({
  ready: z.literal(true),
  model: modelNameSchema,
  shards: z.int().min(1),
  wasm_heap_bytes: z.int().min(1).describe("memory of ONNX Runtime; it never shrinks"),
});

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
    description: "Loads the model if need be.",
    answer: { description: "The model is loaded", schema: readinessSchema },
    errors: ["model_unavailable"],
  },
];

/** /v1/model and /v1/labels. */
import { z } from "zod";
import { manifestSchema, packNameSchema, packVersionSchema } from "../../model/manifest.ts";
import type { RouteDoc } from "../openapi/route-doc.ts";

/** How every answer names the model that made it. */
export const modelNameSchema = z
  .strictObject({ name: packNameSchema, version: packVersionSchema })
  .meta({ description: "The model that made the answer" });

export const headNameSchema = z
  .strictObject({ name: packNameSchema, version: packVersionSchema })
  .meta({ description: "The head whose classes the answer has, where one was asked for" });
/** As it stands in a query. */
export const headQuerySchema = packNameSchema
  .optional()
  .describe("head whose classes are asked for; the model's own if not given");
/** What asking for a head may answer. */
export const headErrors = ["unknown_head", "head_mismatch", "head_unavailable"] as const;

const { format: _format, labels: _labels, shards: _shards, ...shared } = manifestSchema.shape;
export const modelSchema = z.strictObject({
  ...shared,
  shards: z.int().min(1),
  bytes: z.int().min(1).describe("of all shards"),
});

export const labelsAnswerSchema = z.strictObject({
  model: modelNameSchema,
  head: headNameSchema.optional(),
  labels: z.array(z.strictObject({ index: z.int().min(0), id: z.string(), label: z.string() })),
});

const headers = { ETag: "changes with the model" };
export const modelDocs: readonly RouteDoc[] = [
  {
    method: "get",
    path: "/v1/model",
    operationId: "getModel",
    summary: "What is served",
    description: "Name, version, source, preprocessing, classes, precision. Loads no weights.",
    answer: { description: "The model", schema: modelSchema, headers },
    conditional: true,
    errors: ["model_unavailable"],
  },
  {
    method: "get",
    path: "/v1/labels",
    operationId: "getLabels",
    summary: "The classes",
    query: z.object({ head: headQuerySchema }),
    answer: { description: "Every class, in the order of its index", schema: labelsAnswerSchema, headers },
    conditional: true,
    errors: ["invalid_parameter", "model_unavailable", ...headErrors],
  },
];

/** GET /v1/model and GET /v1/labels: the model and its classes. They load no weights. */
import type { Hono } from "hono";
import { etag } from "hono/etag";
import { z } from "zod";
import { headOf, headParameter, modelOf, parseParameters } from "../../classifier/options.ts";
import { manifestSchema } from "../../model/manifest.ts";
import type { AppEnv, GetServices } from "../context.ts";
import type { RouteDoc } from "../openapi/document.ts";
import { headErrors, headNameSchema, modelNameSchema } from "../schemas.ts";

const labelsQuerySchema = z.object({ head: headParameter });

/** Adds both routes. */
export function addModel(app: Hono<AppEnv>, services: GetServices): void {
  app.get("/v1/model", etag(), async (c) => {
    const { manifest } = await services().classifier.host.pack();
    const { format: _format, labels: _labels, shards, ...model } = manifest;
    const bytes = shards.reduce((sum, shard) => sum + shard.bytes, 0);
    c.header("Cache-Control", "no-cache");
    return c.json({ ...model, shards: shards.length, bytes } satisfies z.infer<typeof modelSchema>);
  });

  app.get("/v1/labels", etag(), async (c) => {
    const { head: name } = parseParameters(labelsQuerySchema, c.req.query());
    const { classifier, heads } = services();
    const pack = await classifier.host.pack();
    const head = name === undefined ? undefined : await heads.head(name, pack);
    const labels = (head?.file.labels ?? pack.labels).map((label, index) => ({ index, ...label }));
    c.header("Cache-Control", "no-cache");
    const answer = { model: modelOf(pack), ...(head && { head: headOf(head) }), labels };
    return c.json(answer satisfies z.infer<typeof labelsAnswerSchema>);
  });
}

const { format: _format, labels: _labels, shards: _shards, ...shared } = manifestSchema.shape;
/** Answer of GET /v1/model. */
export const modelSchema = z.strictObject({
  ...shared,
  shards: z.int().min(1),
  bytes: z.int().min(1).describe("Total of all shards."),
});

/** Answer of GET /v1/labels. */
export const labelsAnswerSchema = z.strictObject({
  model: modelNameSchema,
  head: headNameSchema.optional(),
  labels: z.array(
    z.strictObject({
      index: z.int().min(0),
      id: z.string(),
      label: z.string(),
      group: z.string().optional().describe("Heading under which lists show the class."),
    }),
  ),
});

const headers = { ETag: "Changes with the model." };
/** Both routes, for the OpenAPI document. */
export const modelDocs: readonly RouteDoc[] = [
  {
    method: "get",
    path: "/v1/model",
    operationId: "getModel",
    summary: "Describe the model",
    description: "Name, version, source, preprocessing, classes and precision. Loads no weights.",
    answer: { description: "The model", schema: modelSchema, headers },
    conditional: true,
    errors: ["model_unavailable"],
  },
  {
    method: "get",
    path: "/v1/labels",
    operationId: "getLabels",
    summary: "List the classes",
    query: labelsQuerySchema,
    answer: { description: "Every class, in the order of its index", schema: labelsAnswerSchema, headers },
    conditional: true,
    errors: ["invalid_parameter", "model_unavailable", ...headErrors],
  },
];

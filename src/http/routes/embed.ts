/** POST /v1/embed: an image in, its pooled features out. The run that classifies an image also yields its features. */
import type { Hono } from "hono";
import { z } from "zod";
import { bytesToBase64, float32Bytes } from "../../bytes/byte-arrays.ts";
import { embeddingOf, normalisations } from "../../classifier/answers.ts";
import { oneOf, parseParameters } from "../../classifier/options.ts";
import type { AppEnv, GetServices } from "../context.ts";
import type { RouteDoc } from "../openapi/document.ts";
import { cacheHeader, classificationSchema, imageBodies, imageErrors } from "../schemas.ts";
import { requestSource } from "../sources/request-source.ts";

const embedQuerySchema = z.object({
  encoding: oneOf(["float", "base64"])
    .optional()
    .describe("float: an array of numbers. base64: little-endian float32. Default: float."),
  normalize: oneOf(normalisations).optional().describe("l2: scales the features to length 1."),
});

/** Adds the route. */
export function addEmbed(app: Hono<AppEnv>, services: GetServices): void {
  app.post("/v1/embed", async (c) => {
    const { encoding, normalize } = parseParameters(embedQuerySchema, c.req.query());
    const { scorer, config } = services();
    const source = requestSource(c.req.raw, config.maxImageBytes);
    const scored = await scorer.scoreOne(source, { options: {} }, c.var.scoring);
    if ("notModified" in scored) return c.body(null, 304);
    c.header("X-Cache", scored.cache);
    const { embedding, ...answer } = embeddingOf(scored, normalize);
    const encoded = encoding === "base64" ? bytesToBase64(float32Bytes(embedding)) : Array.from(embedding);
    return c.json({ ...answer, embedding: encoded });
  });
}

/** Answer of POST /v1/embed. */
export const embeddingSchema = classificationSchema.pick({ model: true, image: true }).extend({
  embedding: z
    .union([z.array(z.number()), z.string()])
    .describe("The pooled features: numbers, or little-endian float32 in base64."),
});

/** The route, for the OpenAPI document. */
export const embedDocs: readonly RouteDoc[] = [
  {
    method: "post",
    path: "/v1/embed",
    operationId: "embed",
    summary: "Get the features of an image",
    query: embedQuerySchema,
    body: imageBodies,
    answer: { description: "The features", schema: embeddingSchema, headers: cacheHeader },
    errors: imageErrors,
  },
];

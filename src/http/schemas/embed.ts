/** /v1/embed. */
import { z } from "zod";
import { normalisations } from "../answers.ts";
import type { RouteDoc } from "../openapi/route-doc.ts";
import { classificationSchema, imageErrors } from "./classify.ts";

export const embeddingSchema = classificationSchema.pick({ model: true, image: true }).extend({
  embedding: z
    .union([z.array(z.number()), z.string()])
    .describe("the pooled features: numbers, or little-endian float32 as base64"),
});

export const embedDocs: readonly RouteDoc[] = [
  {
    method: "post",
    path: "/v1/embed",
    operationId: "embed",
    summary: "The pooled features of an image",
    query: z.object({
      encoding: z.enum(["float", "base64"]).optional().describe("float if not given"),
      normalize: z.enum(normalisations).optional().describe("l2: to length 1"),
    }),
    body: { "image/jpeg": "binary", "application/octet-stream": "binary" },
    answer: { description: "The features", schema: embeddingSchema },
    errors: imageErrors,
  },
];

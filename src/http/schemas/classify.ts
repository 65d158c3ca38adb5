/** /v1/classify. */
import { z } from "zod";
import { defaultTopK } from "../../limits.ts";
import type { RouteDoc } from "../openapi/route-doc.ts";
import { modelNameSchema } from "./model.ts";

/** As it stands in the query; the number of classes bounds it further. */
export const topKSchema = z
  .string()
  .regex(/^\d{1,9}$/)
  .transform(Number)
  .pipe(z.int().min(1).max(999_999_999));

export const classifyQuerySchema = z.object({
  top_k: topKSchema
    .optional()
    .describe(`predictions to return: 1 to the number of classes; ${defaultTopK} if not given`),
});

export const predictionSchema = z.strictObject({
  label: z.string(),
  score: z.number().min(0).max(1).describe("softmax probability"),
  index: z.int().min(0).describe("of the class"),
  id: z.string().describe("WNID where the model is ImageNet's, else the label"),
});

export const classificationSchema = z.strictObject({
  model: modelNameSchema,
  image: z.strictObject({
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
    width: z.int().min(1).describe("pixels, as sent"),
    height: z.int().min(1).describe("pixels, as sent"),
  }),
  predictions: z.array(predictionSchema).min(1).describe("most probable first"),
});

export const classifyDocs: readonly RouteDoc[] = [
  {
    method: "post",
    path: "/v1/classify",
    operationId: "classify",
    summary: "The most probable classes of an image",
    description: "The body is the bytes of a JPEG; what it is is seen from them, whatever Content-Type says.",
    query: classifyQuerySchema,
    body: { "image/jpeg": "binary", "application/octet-stream": "binary" },
    answer: {
      description: "The classes",
      schema: classificationSchema,
      headers: { "X-Cache": "HIT, MISS or COALESCED; the body is the same in all three" },
    },
    errors: [
      "empty_body",
      "invalid_parameter",
      "body_interrupted",
      "image_too_large",
      "unsupported_image",
      "image_undecodable",
      "conversion_unavailable",
      "overloaded",
      "model_unavailable",
    ],
  },
];

/** /v1/classify. */
import { z } from "zod";
import { defaultTopK } from "../../limits.ts";
import { functionsToApply } from "../../model/scores.ts";
import type { RouteDoc } from "../openapi/route-doc.ts";
import { headErrors, headNameSchema, headQuerySchema, modelNameSchema } from "./model.ts";
import { problemSchema } from "./problem.ts";

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
  function_to_apply: z.enum(functionsToApply).optional().describe("softmax if not given"),
  head: headQuerySchema,
  unknown: z
    .enum(["true", "false"])
    .optional()
    .describe("with head: also tell whether the image is of none of its classes"),
});

export const predictionSchema = z.strictObject({
  label: z.string(),
  score: z.number().describe("softmax probability, or what function_to_apply makes of the logit"),
  index: z.int().min(0).describe("of the class"),
  id: z.string().describe("WNID where the model is ImageNet's, else the label"),
});

export const classificationSchema = z.strictObject({
  model: modelNameSchema,
  head: headNameSchema.optional(),
  image: z.strictObject({
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
    width: z.int().min(1).describe("pixels, as sent"),
    height: z.int().min(1).describe("pixels, as sent"),
  }),
  predictions: z.array(predictionSchema).min(1).describe("most probable first"),
  unknown: z
    .strictObject({
      is_unknown: z.boolean().describe("whether the cosine is under the threshold"),
      cosine: z.number().describe("of the image's features to the nearest class mean, -1 to 1"),
      threshold: z.number().describe("the head's"),
    })
    .optional()
    .describe("with unknown=true"),
});

/** Several images: each a classification, or the problem with it. */
export const batchSchema = z.strictObject({
  results: z.array(z.union([classificationSchema, problemSchema])).describe("in the order of the images"),
});

const jsonBodySchema = z.union([
  z.strictObject({ image: z.string().describe("a JPEG as base64") }),
  z.strictObject({ url: z.string().describe("https address on a host of ALLOWED_IMAGE_HOSTS") }),
]);

/** What any way of taking an image may answer. */
export const imageErrors = [
  "empty_body",
  "invalid_parameter",
  "body_interrupted",
  "image_too_large",
  "unsupported_image",
  "image_undecodable",
  "conversion_unavailable",
  "overloaded",
  "model_unavailable",
] as const;
const remoteErrors = [
  "host_not_allowed",
  "image_unreachable",
  "upstream_unavailable",
  "loop_detected",
] as const;
const cacheHeader = { "X-Cache": "HIT, MISS or COALESCED; the body is the same in all three" };

export const classifyDocs: readonly RouteDoc[] = [
  {
    method: "post",
    path: "/v1/classify",
    operationId: "classify",
    summary: "The most probable classes of an image",
    description:
      "The body is the bytes of an image (what it is is seen from them), multipart with one or several parts named image, or JSON. Several images are answered by {results}.",
    query: classifyQuerySchema,
    body: {
      "image/jpeg": "binary",
      "application/octet-stream": "binary",
      "multipart/form-data": z.object({ image: z.array(z.unknown()).describe("JPEG files") }),
      "application/json": jsonBodySchema,
    },
    answer: {
      description: "The classes",
      schema: z.union([classificationSchema, batchSchema]),
      headers: cacheHeader,
    },
    errors: [...imageErrors, ...headErrors, "malformed_body", "too_many_images", ...remoteErrors],
  },
  {
    method: "get",
    path: "/v1/classify",
    operationId: "classifyUrl",
    summary: "The most probable classes of an image at a URL",
    query: classifyQuerySchema.extend({
      url: z.string().describe("https address on a host of ALLOWED_IMAGE_HOSTS"),
    }),
    answer: {
      description: "The classes",
      schema: classificationSchema,
      headers: { ...cacheHeader, ETag: "of image, model, head and query", "Cache-Control": "as configured" },
    },
    conditional: true,
    errors: [...imageErrors, ...headErrors, ...remoteErrors],
  },
];

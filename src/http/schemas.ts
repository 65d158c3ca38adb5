/** Schemas and error codes that several routes share. They validate in tests, and document the API. */
import { z } from "zod";
import { packNameSchema, packVersionSchema } from "../model/manifest.ts";
import { reasonCodes } from "./problem.ts";

/** The model that made an answer. */
export const modelNameSchema = z
  .strictObject({ name: packNameSchema, version: packVersionSchema })
  .meta({ description: "The model that made the answer." });

/** The head whose classes an answer has. */
export const headNameSchema = z
  .strictObject({ name: packNameSchema, version: packVersionSchema })
  .meta({ description: "The head whose classes the answer has, if one was requested." });

/** One class and its score. */
export const predictionSchema = z.strictObject({
  label: z.string(),
  score: z.number().describe("The softmax probability, or what function_to_apply computes from the logit."),
  index: z.int().min(0).describe("Index of the class."),
  id: z.string().describe("The WNID if the classes are ImageNet's, else the label."),
});

/** Answer for one image. */
export const classificationSchema = z.strictObject({
  model: modelNameSchema,
  head: headNameSchema.optional(),
  image: z.strictObject({
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
    width: z.int().min(1).describe("Pixels of the image as displayed."),
    height: z.int().min(1).describe("Pixels of the image as displayed."),
  }),
  predictions: z.array(predictionSchema).min(1).describe("Best first."),
  confident: z
    .boolean()
    .optional()
    .describe("Whether the highest probability reaches the threshold of the head, or of the model."),
  unknown: z
    .strictObject({
      is_unknown: z.boolean().describe("Whether the image probably belongs to none of the classes."),
      cosine: z.number().optional().describe("Of a head: cosine to the nearest class mean, -1 to 1."),
      entropy: z.number().optional().describe("Of a model: entropy of the probabilities, in nats."),
      threshold: z.number().describe("An image with a lower cosine or a higher entropy counts as unknown."),
    })
    .optional()
    .describe("Present with unknown=true."),
});

/** An error (RFC 9457). Loose, because clients must ignore members that they do not know. */
export const problemSchema = z
  .looseObject({
    type: z.literal("about:blank"),
    title: z.string().describe("Reason phrase of the status."),
    status: z.int().min(400).max(599),
    detail: z.string().describe("What happened, what was expected and what to do, for people."),
    instance: z
      .string()
      .regex(/^urn:request:/)
      .describe("Identifies the request. Its log line has the same id."),
    code: z.enum(reasonCodes).describe("For programs."),
    measured: z.number().optional().describe("The measured value."),
    limit: z.number().optional().describe("Its limit."),
    unit: z.string().optional().describe("Unit of both."),
    parameter: z.string().optional(),
    expected: z.string().optional(),
    detected: z.string().optional(),
    allowed: z.array(z.string()).optional().describe("Methods."),
    served: z.array(z.string()).optional().describe("Models."),
    head: z.string().optional().describe("Name of the head."),
    backbones: z.array(z.string()).optional().describe("Models that the head fits, as name/version."),
    live: z.string().optional().describe("The live model, as name/version."),
    host: z.string().optional(),
    bindings: z.array(z.string()).optional().describe("Bindings that a feature needs."),
    variable: z.string().optional().describe("Variable of the Worker's configuration."),
  })
  .meta({ description: "An error (RFC 9457)." });

/** The Content-Types of a body that is the bytes of an image. The Worker detects the format from the bytes, not from these. */
export const imageBodies = {
  "image/jpeg": "binary",
  "image/png": "binary",
  "image/webp": "binary",
  "image/gif": "binary",
  "application/octet-stream": "binary",
} as const;

/** Codes of any route that takes an image. */
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

/** Codes of any route that takes a head. */
export const headErrors = ["unknown_head", "head_mismatch", "head_unavailable"] as const;

/** X-Cache, for the OpenAPI document. */
export const cacheHeader = { "X-Cache": "HIT, MISS or COALESCED. The body is the same in all three cases." };

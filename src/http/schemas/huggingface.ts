/** /models/{name}, in the shape of Hugging Face's image classification. */
import { z } from "zod";
import type { RouteDoc } from "../openapi/route-doc.ts";
import { classifyQuerySchema, imageErrors } from "./classify.ts";

const scoreSchema = z.strictObject({ label: z.string(), score: z.number() });

export const huggingFaceDocs: readonly RouteDoc[] = [
  {
    method: "post",
    path: "/models/{name}",
    operationId: "imageClassification",
    summary: "Image classification as Hugging Face's clients call it",
    params: z.object({ name: z.string().describe("of the model that is served") }),
    query: classifyQuerySchema,
    body: {
      "image/jpeg": "binary",
      "application/json": z.object({
        inputs: z.string().describe("a JPEG as base64"),
        parameters: z
          .object({ top_k: z.int().optional(), function_to_apply: z.string().optional() })
          .optional(),
      }),
    },
    answer: { description: "Labels and scores, best first", schema: z.array(scoreSchema) },
    errors: [...imageErrors, "unknown_model"],
  },
];

/** What the API's document covers: each group of routes, and the schemas that have a name. */
import { cdnDocs } from "../schemas/cdn.ts";
import { batchSchema, classificationSchema, classifyDocs, predictionSchema } from "../schemas/classify.ts";
import { embedDocs, embeddingSchema } from "../schemas/embed.ts";
import { healthDocs, healthSchema, readinessSchema } from "../schemas/health.ts";
import { huggingFaceDocs } from "../schemas/huggingface.ts";
import { labelsAnswerSchema, modelDocs, modelNameSchema, modelSchema } from "../schemas/model.ts";
import { problemSchema } from "../schemas/problem.ts";
import { type OpenApiDocument, openApiDocument } from "./document.ts";
import type { RouteDoc } from "./route-doc.ts";

/** The document's own routes. */
const documentDocs: readonly RouteDoc[] = [
  {
    method: "get",
    path: "/openapi.json",
    operationId: "getOpenApi",
    summary: "This document",
    open: true,
    answer: { description: "OpenAPI 3.1", headers: { ETag: "changes with the API" } },
    conditional: true,
  },
  {
    method: "get",
    path: "/docs",
    operationId: "getDocs",
    summary: "This document as a page",
    open: true,
    answer: { description: "A page without scripts", mediaType: "text/html" },
    conditional: true,
  },
];

const namedSchemas = {
  Classification: classificationSchema,
  Classifications: batchSchema,
  Embedding: embeddingSchema,
  Prediction: predictionSchema,
  ModelName: modelNameSchema,
  Model: modelSchema,
  Labels: labelsAnswerSchema,
  Health: healthSchema,
  Readiness: readinessSchema,
  Problem: problemSchema,
};

let made: OpenApiDocument | undefined;

/** Made at the first call: nothing runs in global scope. */
export function apiDocument(): OpenApiDocument {
  made ??= openApiDocument(
    [
      ...classifyDocs,
      ...embedDocs,
      ...huggingFaceDocs,
      ...cdnDocs,
      ...modelDocs,
      ...healthDocs,
      ...documentDocs,
    ],
    namedSchemas,
  );
  return made;
}

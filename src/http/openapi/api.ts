/** The OpenAPI document of the routes. */
import { cdnDocs } from "../routes/cdn.ts";
import { batchSchema, classifyDocs } from "../routes/classify.ts";
import { embedDocs, embeddingSchema } from "../routes/embed.ts";
import { healthDocs, healthSchema, readinessSchema } from "../routes/health.ts";
import { huggingFaceDocs } from "../routes/huggingface.ts";
import { labelsAnswerSchema, modelDocs, modelSchema } from "../routes/model.ts";
import { classificationSchema, modelNameSchema, predictionSchema, problemSchema } from "../schemas.ts";
import { type OpenApiDocument, openApiDocument, type RouteDoc } from "./document.ts";

/** The routes of the document itself. */
const documentDocs: readonly RouteDoc[] = [
  {
    method: "get",
    path: "/openapi.json",
    operationId: "getOpenApi",
    summary: "Get this document",
    open: true,
    answer: { description: "OpenAPI 3.1", headers: { ETag: "Changes with the API." } },
    conditional: true,
  },
  {
    method: "get",
    path: "/docs",
    operationId: "getDocs",
    summary: "Read this document as a page",
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

const routes = [classifyDocs, embedDocs, huggingFaceDocs, cdnDocs, modelDocs, healthDocs, documentDocs];

let document: OpenApiDocument | undefined;

/** Returns the document. Builds it at the first call, because nothing runs in global scope. */
export function apiDocument(): OpenApiDocument {
  document ??= openApiDocument(routes.flat(), namedSchemas);
  return document;
}

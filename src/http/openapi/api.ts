/** GET /openapi.json and /docs: the OpenAPI document of the routes. It holds no data of the deployment, so it needs no key. */
import type { Hono } from "hono";
import { etag } from "hono/etag";
import { sha256 } from "../../bytes/byte-arrays.ts";
import type { AppEnv } from "../context.ts";
import { cdnDocs } from "../routes/cdn.ts";
import { batchSchema, classifyDocs } from "../routes/classify.ts";
import { embedDocs, embeddingSchema } from "../routes/embed.ts";
import { headsAnswerSchema, headsDocs } from "../routes/heads.ts";
import { healthDocs, healthSchema, readinessSchema } from "../routes/health.ts";
import { huggingFaceDocs } from "../routes/huggingface.ts";
import { labelsAnswerSchema, modelDocs, modelSchema } from "../routes/model.ts";
import {
  labelCountsSchema,
  pictureSchema,
  picturesDocs,
  picturesSchema,
  picturesStatusSchema,
  similarSchema,
} from "../routes/pictures.ts";
import { picturesWorkDocs, workPageSchema } from "../routes/pictures-work.ts";
import { classificationSchema, modelNameSchema, predictionSchema, problemSchema } from "../schemas.ts";
import { type OpenApiDocument, openApiDocument, type RouteDoc } from "./document.ts";
import { examples } from "./examples.ts";
import { documentPage, pageStyle } from "./page.ts";

/** Adds both routes. */
export function addOpenApi(app: Hono<AppEnv>): void {
  app.get("/openapi.json", etag(), (c) => {
    c.header("Cache-Control", "no-cache");
    return c.json(apiDocument());
  });

  app.get("/docs", etag(), async (c) => {
    c.header("Cache-Control", "no-cache");
    c.header("Content-Security-Policy", await pagePolicy());
    return c.html(documentPage(apiDocument(), new URL(c.req.url).origin));
  });
}

/** Allows the style of the page by its hash, and nothing else. */
async function pagePolicy(): Promise<string> {
  const digest = await sha256(new TextEncoder().encode(pageStyle));
  const hash = btoa(String.fromCharCode(...digest));
  return `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
}

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
  Heads: headsAnswerSchema,
  Picture: pictureSchema,
  Pictures: picturesSchema,
  LabelCounts: labelCountsSchema,
  PicturesStatus: picturesStatusSchema,
  SimilarPictures: similarSchema,
  WorkPage: workPageSchema,
  Health: healthSchema,
  Readiness: readinessSchema,
  Problem: problemSchema,
};

const routes = [
  classifyDocs,
  embedDocs,
  huggingFaceDocs,
  cdnDocs,
  modelDocs,
  headsDocs,
  picturesDocs,
  picturesWorkDocs,
  healthDocs,
  documentDocs,
];

let document: OpenApiDocument | undefined;

/** Returns the document. Builds it at the first call, because nothing runs in global scope. */
export function apiDocument(): OpenApiDocument {
  document ??= openApiDocument(routes.flat(), namedSchemas, examples);
  return document;
}

/** POST and GET /v1/classify: images in, their most probable classes out. */
import type { Hono } from "hono";
import { z } from "zod";
import { type ClassifyAnswer, classificationOf } from "../../classifier/answers.ts";
import { classifyQuerySchema, parseParameters } from "../../classifier/options.ts";
import type { ImageSource, ScoreRequest } from "../../classifier/score.ts";
import { ClassifierError } from "../../errors.ts";
import type { AppContext, AppEnv, GetServices, Services } from "../context.ts";
import type { RouteDoc } from "../openapi/document.ts";
import { problemOf } from "../problem.ts";
import {
  cacheHeader,
  classificationSchema,
  headErrors,
  imageBodies,
  imageErrors,
  problemSchema,
} from "../schemas.ts";
import { requestSource } from "../sources/request-source.ts";
import { callerUrlSource } from "../sources/url.ts";

/** Adds both routes. HEAD works too: Hono answers it as GET, without the body. */
export function addClassify(app: Hono<AppEnv>, services: GetServices): void {
  app.post("/v1/classify", (c) => classify(c, services()));
  app.get("/v1/classify", (c) => classifyUrl(c, services()));
}

/** The JSON body of POST /v1/classify. */
const classifyBodySchema = z.union([
  z.strictObject({ image: z.string().describe("An image in base64.") }),
  z.strictObject({ url: z.string().describe("An https URL on a host of ALLOWED_IMAGE_HOSTS.") }),
]);

async function classify(c: AppContext, services: Services): Promise<Response> {
  const options = parseParameters(classifyQuerySchema, c.req.query());
  const source = requestSource(c.req.raw, services.config.maxImageBytes, {
    multipart: true,
    json: {
      schema: classifyBodySchema,
      expected: '{"image": an image in base64} or {"url": the URL of an image}',
      contentOf: async (body, decode) =>
        "url" in body
          ? { source: await callerUrlSource(body.url, c.req.raw.headers, services, c.var.scoring.stages) }
          : { images: [decode(body.image)] },
    },
  });
  const answers: (ClassifyAnswer | Record<string, unknown>)[] = [];
  let failure: ClassifierError | undefined;
  for await (const outcome of services.scorer.scoreAll(source, { options }, c.var.scoring)) {
    if ("notModified" in outcome) continue;
    if ("error" in outcome) {
      failure = outcome.error;
      answers.push(problemOf(failure, c.var.requestId));
    } else {
      answers.push(classificationOf(outcome));
    }
  }
  const { facts } = c.var.scoring;
  if (failure) facts.code = failure.reason.code;
  if (failure?.reason.code === "internal") facts.error = failure;
  // One X-Cache header cannot describe several images.
  if (answers.length > 1) return c.json({ results: answers });
  c.header("X-Cache", facts.cache);
  return c.json(answers[0]);
}

async function classifyUrl(c: AppContext, services: Services): Promise<Response> {
  const options = parseParameters(classifyQuerySchema, c.req.query());
  const url = c.req.query("url");
  if (url === undefined) {
    const expected = "the URL of an image; send the bytes of an image with POST";
    throw new ClassifierError({ code: "invalid_parameter", parameter: "url", value: "", expected });
  }
  const source = await callerUrlSource(url, c.req.raw.headers, services, c.var.scoring.stages);
  return answerConditionally(c, services, source, { options });
}

/** Answers a conditional GET with the classes of one image, its ETag, or 304. */
export async function answerConditionally(
  c: AppContext,
  { scorer, config }: Services,
  source: ImageSource,
  request: ScoreRequest,
): Promise<Response> {
  const ifNoneMatch = c.req.header("If-None-Match");
  const outcome = await scorer.scoreOne(source, { ...request, ifNoneMatch }, c.var.scoring);
  c.header("Cache-Control", config.classifyCacheControl ?? defaultCacheControl(c));
  c.header("ETag", outcome.etag);
  if ("notModified" in outcome) return c.body(null, 304);
  c.header("X-Cache", outcome.cache);
  return c.json(classificationOf(outcome));
}

/** An answer that needs a key must not reach callers without one through a shared cache. */
function defaultCacheControl(c: AppContext): string {
  return `${c.req.header("Authorization") === undefined ? "public" : "private"}, max-age=3600`;
}

/** Answer for several images: each is a classification or a problem. */
export const batchSchema = z.strictObject({
  results: z.array(z.union([classificationSchema, problemSchema])).describe("In the order of the images."),
});

const remoteErrors = [
  "host_not_allowed",
  "image_unreachable",
  "upstream_unavailable",
  "loop_detected",
] as const;

/** Both routes, for the OpenAPI document. */
export const classifyDocs: readonly RouteDoc[] = [
  {
    method: "post",
    path: "/v1/classify",
    operationId: "classify",
    summary: "Classify an image",
    description:
      "The body is the bytes of an image, multipart/form-data with one to eight parts named image, or JSON. The format is detected from the bytes. Several images are answered as {results}.",
    query: classifyQuerySchema,
    body: {
      ...imageBodies,
      "multipart/form-data": z.object({ image: z.array(z.unknown()).describe("Image files.") }),
      "application/json": classifyBodySchema,
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
    summary: "Classify the image at a URL",
    query: classifyQuerySchema.extend({
      url: z.string().describe("An https URL on a host of ALLOWED_IMAGE_HOSTS."),
    }),
    answer: {
      description: "The classes",
      schema: classificationSchema,
      headers: {
        ...cacheHeader,
        ETag: "Identifies image, model, head and options.",
        "Cache-Control": "As configured.",
      },
    },
    conditional: true,
    errors: [...imageErrors, ...headErrors, ...remoteErrors],
  },
];

/**
 * POST /models/:name has the interface of Hugging Face's image classification, so that its clients work unchanged: raw bytes
 * or {inputs, parameters} in, [{label, score}] out. The query accepts the parameters too, because the JavaScript client
 * drops them when it sends raw bytes.
 */
import type { Hono } from "hono";
import { z } from "zod";
import { classificationOf } from "../../classifier/answers.ts";
import { parseParameters, type RequestedOptions, scoresQuerySchema } from "../../classifier/options.ts";
import { ClassifierError } from "../../errors.ts";
import type { AppContext, AppEnv, GetServices, Services } from "../context.ts";
import type { RouteDoc } from "../openapi/document.ts";
import { cacheHeader, imageBodies, imageErrors } from "../schemas.ts";
import { requestSource } from "../sources/request-source.ts";

/** The values of `parameters` are checked like those of the query. */
const bodySchema = z.object({
  inputs: z.string({ error: "expected the image in base64" }).describe("An image in base64."),
  parameters: z
    .object({
      top_k: z.union([z.number(), z.string()], { error: "expected an integer of at least 1" }).nullish(),
      function_to_apply: z.string({ error: "expected a word" }).nullish(),
    })
    .nullish(),
});

/** Adds the route. */
export function addHuggingFace(app: Hono<AppEnv>, services: GetServices): void {
  app.post("/models/:name", (c) => classify(c, c.req.param("name"), services()));
}

async function classify(c: AppContext, model: string, { config, scorer }: Services): Promise<Response> {
  const { modelName, maxImageBytes } = config;
  if (model !== modelName) throw new ClassifierError({ code: "unknown_model", model, served: [modelName] });
  const options = parseParameters(scoresQuerySchema, c.req.query());
  const source = requestSource(c.req.raw, maxImageBytes, {
    json: {
      schema: bodySchema,
      expected: '{"inputs": an image in base64, "parameters": {"top_k", "function_to_apply"}?}',
      contentOf: ({ inputs, parameters }, decode) => ({
        images: [decode(inputs)],
        options: { ...options, ...parseBodyParameters(parameters) },
      }),
    },
  });
  const scored = await scorer.scoreOne(source, { options }, c.var.scoring);
  if ("notModified" in scored) return c.body(null, 304);
  c.header("X-Cache", scored.cache);
  return c.json(classificationOf(scored).predictions.map(({ label, score }) => ({ label, score })));
}

function parseBodyParameters(parameters: z.infer<typeof bodySchema>["parameters"]): RequestedOptions {
  const given = Object.entries(parameters ?? {}).filter(([, value]) => value != null);
  return parseParameters(
    scoresQuerySchema,
    Object.fromEntries(given.map(([key, value]) => [key, String(value)])),
  );
}

/** The route, for the OpenAPI document. */
export const huggingFaceDocs: readonly RouteDoc[] = [
  {
    method: "post",
    path: "/models/{name}",
    operationId: "imageClassification",
    summary: "Classify an image in Hugging Face's shape",
    params: z.object({ name: z.string().describe("The model that the Worker serves.") }),
    query: scoresQuerySchema,
    body: { ...imageBodies, "application/json": bodySchema },
    answer: {
      description: "Labels and scores, best first",
      schema: z.array(z.strictObject({ label: z.string(), score: z.number() })),
      headers: cacheHeader,
    },
    errors: [...imageErrors, "malformed_body", "unknown_model"],
  },
];

/**
 * POST /models/:name in the shape of Hugging Face's image classification, so that its clients work unchanged: raw bytes
 * or {inputs, parameters} in, [{label, score}] out. The parameters may stand in the query too: the JavaScript client
 * sends raw bytes and drops its `parameters`.
 */
import type { Hono } from "hono";
import { ClassifierError } from "../../errors.ts";
import { predictionsOf } from "../answers.ts";
import type { AppEnv } from "../context.ts";
import { type ImageParameters, isJson, jsonImage } from "../json-image.ts";
import { parseFunctionToApply, parseTopK } from "../query.ts";
import { rawImage, scoreBody } from "../score-body.ts";
import type { GetServices } from "../services.ts";

export function addHuggingFace(app: Hono<AppEnv>, services: GetServices): void {
  app.post("/models/:name", async (c) => {
    const { modelName } = services().config;
    const model = c.req.param("name");
    if (model !== modelName) throw new ClassifierError({ code: "unknown_model", model, served: [modelName] });
    let { topKOf, functionToApply } = parse({
      topK: c.req.query("top_k"),
      functionToApply: c.req.query("function_to_apply"),
    });
    const onParameters = ({ topK, functionToApply: word }: ImageParameters) => {
      const given = parse({ topK, functionToApply: word });
      if (topK !== undefined) topKOf = given.topKOf;
      if (word !== undefined) functionToApply = given.functionToApply;
    };
    return scoreBody(c, services, {
      input: isJson(c.req.raw) ? jsonImage(onParameters) : rawImage,
      check: (pack) => topKOf(pack.manifest.classes),
      answer: (scored) => {
        const predictions = predictionsOf(scored, topKOf(scored.pack.manifest.classes), functionToApply);
        return c.json(predictions.map(({ label, score }) => ({ label, score })));
      },
    });
  });
}

function parse({ topK, functionToApply }: ImageParameters) {
  return { topKOf: parseTopK(topK), functionToApply: parseFunctionToApply(functionToApply) };
}

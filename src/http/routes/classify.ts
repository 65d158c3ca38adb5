/** POST /v1/classify: a JPEG in, its most probable classes out. */
import type { Hono } from "hono";
import { answered, predictionsOf } from "../answers.ts";
import type { AppEnv } from "../context.ts";
import { parseFunctionToApply, parseTopK } from "../query.ts";
import { rawImage, scoreBody } from "../score-body.ts";
import type { GetServices } from "../services.ts";

export function addClassify(app: Hono<AppEnv>, services: GetServices): void {
  app.post("/v1/classify", async (c) => {
    const topKOf = parseTopK(c.req.query("top_k"));
    const functionToApply = parseFunctionToApply(c.req.query("function_to_apply"));
    return scoreBody(c, services, {
      input: rawImage,
      check: topKOf,
      answer: (scored) => {
        const predictions = predictionsOf(scored, topKOf(scored.pack), functionToApply);
        return c.json({ ...answered(scored), predictions });
      },
    });
  });
}

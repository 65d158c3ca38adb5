/** GET /v1/heads: the heads that requests can name. It loads neither heads nor weights. */
import type { Hono } from "hono";
import { etag } from "hono/etag";
import { z } from "zod";
import { modelOf } from "../../classifier/options.ts";
import { maxDescribedHeads } from "../../head/head-store.ts";
import { packNameSchema, packVersionSchema } from "../../model/manifest.ts";
import type { AppEnv, GetServices } from "../context.ts";
import type { RouteDoc } from "../openapi/document.ts";
import { modelNameSchema } from "../schemas.ts";

/** Adds the route. */
export function addHeads(app: Hono<AppEnv>, services: GetServices): void {
  app.get("/v1/heads", etag(), async (c) => {
    const { classifier, heads } = services();
    const pack = await classifier.host.pack();
    const { heads: live, truncated } = await heads.live();
    c.header("Cache-Control", "no-cache");
    const answer = { model: modelOf(pack), heads: [...live], truncated };
    return c.json(answer satisfies z.infer<typeof headsAnswerSchema>);
  });
}

/** Answer of GET /v1/heads. */
export const headsAnswerSchema = z.strictObject({
  model: modelNameSchema.describe("The live model. A head answers for it if its backbone is this model."),
  heads: z
    .array(
      z.strictObject({
        name: packNameSchema.describe("For the parameter head."),
        version: packVersionSchema,
        backbone: modelNameSchema.describe("The version of the model whose features the head takes."),
      }),
    )
    .describe("By name. A head that is live on several versions of the model has an entry for each."),
  truncated: z.boolean().describe("Whether the bucket may have more heads than these."),
});

/** The route, for the OpenAPI document. */
export const headsDocs: readonly RouteDoc[] = [
  {
    method: "get",
    path: "/v1/heads",
    operationId: "getHeads",
    summary: "List the heads",
    description: `The first ${maxDescribedHeads} heads by name. A new head appears within MODEL_REFRESH_SECONDS.`,
    answer: {
      description: "The heads",
      schema: headsAnswerSchema,
      headers: { ETag: "Changes with the heads and the model." },
    },
    conditional: true,
    errors: ["model_unavailable"],
  },
];

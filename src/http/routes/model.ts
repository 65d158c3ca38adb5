/** GET /v1/model and /v1/labels: what is served. They need no weights. */
import type { Hono } from "hono";
import { etag } from "hono/etag";
import type { z } from "zod";
import { headOf } from "../answers.ts";
import type { AppEnv } from "../context.ts";
import { parseHeadChoice } from "../query.ts";
import type { labelsAnswerSchema, modelSchema } from "../schemas/model.ts";
import { type GetServices, modelOf } from "../services.ts";

export function addModel(app: Hono<AppEnv>, services: GetServices): void {
  app.get("/v1/model", etag(), async (c) => {
    const { manifest } = await services().classifier.host.pack();
    const { format: _format, labels: _labels, shards, ...model } = manifest;
    const bytes = shards.reduce((sum, shard) => sum + shard.bytes, 0);
    c.header("Cache-Control", "no-cache");
    return c.json({ ...model, shards: shards.length, bytes } satisfies z.infer<typeof modelSchema>);
  });

  app.get("/v1/labels", etag(), async (c) => {
    const pack = await services().classifier.host.pack();
    const choice = parseHeadChoice(c.req.query("head"), undefined);
    const head = choice && (await services().heads.head(choice.name, pack));
    const labels = (head?.file.labels ?? pack.labels).map(({ id, label }, index) => ({ index, id, label }));
    const model = modelOf(pack);
    c.header("Cache-Control", "no-cache");
    return c.json(
      (head ? { model, head: headOf(head), labels } : { model, labels }) satisfies z.infer<
        typeof labelsAnswerSchema
      >,
    );
  });
}

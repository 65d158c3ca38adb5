/** POST /v1/pictures/label, /retry and /events: messages to the queue. `npm run bucket` calls them. */
import type { Hono } from "hono";
import { z } from "zod";
import type { Page } from "../../pictures/backlog.ts";
import { notificationSchema } from "../../pictures/messages.ts";
import type { AppEnv, GetServices } from "../context.ts";
import type { RouteDoc } from "../openapi/document.ts";
import { readJsonBody } from "../sources/json-body.ts";
import { cursorOf, picturesErrors, picturesOf, positionOf } from "./pictures.ts";

/** Notifications of one request. Queues accepts as many messages at once. */
const maxEvents = 100;

const cursorSchema = z
  .string()
  .optional()
  .describe("The cursor of the answer before. Absent for the first page.");

const labelBodySchema = z.strictObject({
  prefix: z.string().max(1024).optional().describe("Objects whose keys begin with this text. Default: all."),
  cursor: cursorSchema,
  stale: z
    .boolean()
    .optional()
    .describe(
      "Whether to label pictures again that another version of the model or of the head has labelled.",
    ),
});

const retryBodySchema = z.strictObject({ cursor: cursorSchema });

const eventsBodySchema = z.strictObject({
  events: z.array(notificationSchema).min(1).max(maxEvents).describe("Event notifications as R2 sends them."),
});

/** Adds the routes. addPictures must be called first: it refuses callers that may not use them. */
export function addPicturesWork(app: Hono<AppEnv>, services: GetServices): void {
  app.post("/v1/pictures/label", async (c) => {
    const expected = '{"prefix": text, "cursor": text, "stale": true or false}, each of them optional';
    const { prefix = "", cursor, stale = false } = await readJsonBody(c.req.raw, labelBodySchema, expected);
    const page = await picturesOf(services).backlog.labelPage({ prefix, after: keyAt(cursor), stale });
    return c.json(answerOf(page));
  });

  app.post("/v1/pictures/retry", async (c) => {
    const { cursor } = await readJsonBody(c.req.raw, retryBodySchema, '{"cursor": text}, which is optional');
    return c.json(answerOf(await picturesOf(services).backlog.retryPage(keyAt(cursor))));
  });

  app.post("/v1/pictures/events", async (c) => {
    const expected = `{"events": 1 to ${maxEvents} event notifications of R2}`;
    const { events } = await readJsonBody(c.req.raw, eventsBodySchema, expected);
    await picturesOf(services).backlog.send(events);
    return c.json({ enqueued: events.length } satisfies z.infer<typeof eventsAnswerSchema>);
  });
}

function keyAt(cursor: string | undefined): string {
  return cursor === undefined ? "" : positionOf(cursor).key;
}

function answerOf({ listed, enqueued, next }: Page): z.infer<typeof workPageSchema> {
  return { listed, enqueued, cursor: next === undefined ? null : cursorOf({ key: next }) };
}

/** Answer of POST /v1/pictures/label and /retry. */
export const workPageSchema = z.strictObject({
  listed: z.int().describe("Objects or messages that were looked at."),
  enqueued: z.int().describe("Messages that were sent."),
  cursor: z.string().nullable().describe("For the next request. null after the last page."),
});

const eventsAnswerSchema = z.strictObject({ enqueued: z.int().describe("Messages that were sent.") });

/** The routes, for the OpenAPI document. */
export const picturesWorkDocs: readonly RouteDoc[] = [
  {
    method: "post",
    path: "/v1/pictures/label",
    operationId: "labelPictures",
    summary: "Enqueue objects that have no label",
    description:
      "Compares up to 1,000 objects of the bucket with their labels. Call it again with the cursor until that is null.",
    body: { "application/json": labelBodySchema },
    answer: { description: "What was enqueued", schema: workPageSchema },
    errors: [...picturesErrors, "invalid_parameter", "malformed_body", "model_unavailable"],
  },
  {
    method: "post",
    path: "/v1/pictures/retry",
    operationId: "retryPictures",
    summary: "Enqueue what failed again",
    description:
      "Enqueues messages that were given up, then objects without a label. Call it until the cursor is null.",
    body: { "application/json": retryBodySchema },
    answer: { description: "What was enqueued", schema: workPageSchema },
    errors: [...picturesErrors, "invalid_parameter", "malformed_body"],
  },
  {
    method: "post",
    path: "/v1/pictures/events",
    operationId: "sendPictureEvents",
    summary: "Enqueue event notifications",
    description:
      "R2 sends event notifications to the queue itself. This route is for local buckets, and for uploads that R2 does not announce.",
    body: { "application/json": eventsBodySchema },
    answer: { description: "What was enqueued", schema: eventsAnswerSchema },
    errors: [...picturesErrors, "malformed_body"],
  },
];

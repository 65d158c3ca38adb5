/** GET /v1/pictures and the routes below it: the labelled pictures of a bucket. Everything here is private. */
import type { Hono, MiddlewareHandler } from "hono";
import { z } from "zod";
import { base64ToBytes, bytesToBase64, float32Bytes } from "../../bytes/byte-arrays.ts";
import { parseParameters } from "../../classifier/options.ts";
import { etagMatches } from "../../classifier/score.ts";
import { ClassifierError } from "../../errors.ts";
import { packNameSchema, packVersionSchema } from "../../model/manifest.ts";
import { ObjectChanged } from "../../pictures/object-source.ts";
import type { PictureRow, Position, Versions } from "../../pictures/picture-store.ts";
import type { Pictures } from "../../pictures/pictures.ts";
import { findSimilar, maxComparedPictures } from "../../pictures/similar.ts";
import { makeThumbnail } from "../../pictures/thumbnail.ts";
import { picturesUnavailable, reach } from "../../pictures/unavailable.ts";
import { isLocal } from "../access.ts";
import type { AppEnv, GetServices } from "../context.ts";
import type { RouteDoc } from "../openapi/document.ts";
import { imageErrors, predictionSchema } from "../schemas.ts";

const maxListed = 500;
const defaultListed = 50;
const maxSimilar = 100;
const defaultSimilar = 20;
const [minThumbnail, maxThumbnail, defaultThumbnail] = [32, 512, 256];
/** Keys of dead letters that the status names. */
const maxDeadKeys = 20;

/** Adds the routes, and refuses callers that may not see the bucket. */
export function addPictures(app: Hono<AppEnv>, services: GetServices): void {
  app.use("/v1/pictures/*", onlyOwner(services));

  app.get("/v1/pictures", async (c) => {
    const { limit, cursor, include, ...filters } = parseParameters(listQuerySchema, c.req.query());
    const { store, labeller } = picturesOf(services);
    const filter = { ...filters, minScore: filters.min_score };
    const size = limit ?? defaultListed;
    const live = await labeller.versions();
    const from = cursor === undefined ? undefined : positionOf(cursor);
    const rows = await store.list(filter, from, size, include === "features");
    const last = rows.length === size ? rows.at(-1) : undefined;
    const answer = {
      pictures: rows.map((row) => pictureOf(row, live)),
      ...(last && { cursor: cursorOf(positionAt(last, filter.label !== undefined)) }),
    };
    return c.json(answer satisfies z.infer<typeof picturesSchema>);
  });

  app.get("/v1/pictures/labels", async (c) => {
    const { store } = picturesOf(services);
    const [labels, states] = await Promise.all([store.labelCounts(), store.stateCounts()]);
    const answer = { labels, failures: failuresIn(states) };
    return c.json(answer satisfies z.infer<typeof labelCountsSchema>);
  });

  app.get("/v1/pictures/status", async (c) => {
    const { store, labeller, queue } = picturesOf(services);
    const [live, states, dead_letters, waiting] = await Promise.all([
      labeller.versions(),
      store.stateCounts(),
      store.deadLetterSummary(maxDeadKeys),
      reach("asking the queue", () => queue.metrics()).then(({ backlogCount }) => backlogCount),
    ]);
    const sum = (counted: typeof states) => counted.reduce((total, { count }) => total + count, 0);
    const labelled = states.filter(({ code }) => code === null);
    const current = sum(labelled.filter(({ model, head }) => model === live.model && head === live.head));
    const failures = failuresIn(states);
    const pictures = sum(states);
    const answer = {
      ...{ pictures, current, stale: sum(labelled) - current, failed: pictures - sum(labelled), failures },
      ...{ dead_letters, waiting },
    };
    return c.json(answer satisfies z.infer<typeof picturesStatusSchema>);
  });

  app.get("/v1/pictures/similar", async (c) => {
    const { key, limit } = parseParameters(similarQuerySchema, c.req.query());
    const { store, labeller } = picturesOf(services);
    if (!(await store.find(key))) throw new ClassifierError({ code: "unknown_picture", key });
    const live = await labeller.versions();
    const { compared, similar } = await findSimilar(store, key, limit ?? defaultSimilar);
    const pictures = similar.map(({ row, similarity }) => ({ ...pictureOf(row, live), similarity }));
    return c.json({ key, compared, pictures } satisfies z.infer<typeof similarSchema>);
  });

  app.get("/v1/pictures/thumbnail", async (c) => {
    const { key, size = defaultThumbnail } = parseParameters(thumbnailQuerySchema, c.req.query());
    const { bucket } = picturesOf(services);
    const { classifier, admission, config } = services();
    const object = await reach("reading the object's metadata", () => bucket.head(key));
    if (!object) throw new ClassifierError({ code: "unknown_picture", key });
    const etag = `"${object.etag}-${size}"`;
    c.header("ETag", etag);
    c.header("Cache-Control", "private, max-age=3600");
    if (etagMatches(c.req.header("If-None-Match") ?? "", etag)) return c.body(null, 304);
    const options = { bucket, classifier, admission, maxImageBytes: config.maxImageBytes };
    const { stages, signal } = c.var.scoring;
    const jpeg = await stages
      .time("thumbnail", () => makeThumbnail(object, size, options, signal))
      .catch((error: unknown) => {
        throw error instanceof ObjectChanged
          ? picturesUnavailable("the object was just replaced", error)
          : error;
      });
    return c.body(jpeg as Uint8Array<ArrayBuffer>, 200, { "Content-Type": "image/jpeg" });
  });
}

/**
 * Refuses requests if no bucket is labelled, and requests without a key to a Worker that others can reach: the bucket is
 * private, and an endpoint without keys is open to everyone.
 */
function onlyOwner(services: GetServices): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    picturesOf(services);
    if (services().config.apiKeys.length === 0 && !isLocal(new URL(c.req.url).hostname)) {
      throw new ClassifierError({ code: "api_keys_required" });
    }
    return next();
  };
}

/**
 * Returns what labels the bucket.
 * @throws ClassifierError not_configured
 */
export function picturesOf(services: GetServices): Pictures {
  const { pictures } = services();
  if (pictures) return pictures;
  const bindings = ["PICTURES", "PICTURES_DB", "PICTURES_QUEUE"];
  throw new ClassifierError({ code: "not_configured", feature: "label a bucket", bindings });
}

/** Characters of a cursor: a key of 1,024 bytes, a score, and base64. */
const maxCursorChars = 2048;
const positionSchema = z.union([z.tuple([z.string()]), z.tuple([z.string(), z.number()])]);

/** Returns a place in a list as text for a query. */
export function cursorOf({ key, score }: Position): string {
  const json = JSON.stringify(score === undefined ? [key] : [key, score]);
  const base64 = bytesToBase64(new TextEncoder().encode(json));
  return base64.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/**
 * Reads a cursor.
 * @throws ClassifierError invalid_parameter
 */
export function positionOf(cursor: string): Position {
  const base64 = cursor.replaceAll("-", "+").replaceAll("_", "/");
  const bytes =
    cursor.length > maxCursorChars ? undefined : base64ToBytes(base64 + "=".repeat(-base64.length & 3));
  try {
    const [key, score] = positionSchema.parse(JSON.parse(new TextDecoder().decode(bytes)));
    return { key, score };
  } catch {
    const expected = "the cursor of the answer before, with the same other parameters";
    throw new ClassifierError({ code: "invalid_parameter", parameter: "cursor", value: cursor, expected });
  }
}

function positionAt({ key, outcome }: PictureRow, byScore: boolean): Position {
  return { key, score: byScore && !("code" in outcome) ? outcome.predictions[0]?.score : undefined };
}

function failuresIn(states: readonly { readonly code: string | null; readonly count: number }[]) {
  const counts = new Map<string, number>();
  for (const { code, count } of states) if (code !== null) counts.set(code, (counts.get(code) ?? 0) + count);
  const failures = [...counts].map(([code, count]) => ({ code, count }));
  return failures.sort((a, b) => b.count - a.count || a.code.localeCompare(b.code));
}

/** Builds the JSON of a row. */
function pictureOf(row: PictureRow, live: Versions): z.infer<typeof pictureSchema> {
  const { key, etag, outcome, quarantinedFrom } = row;
  const about = {
    ...{ key, etag },
    uploaded: new Date(row.uploaded).toISOString(),
    labelled_at: new Date(row.labelledAt).toISOString(),
    ...(quarantinedFrom !== undefined && { quarantined_from: quarantinedFrom }),
  };
  if ("code" in outcome) return { ...about, stale: false, error: outcome };
  const { model, head, imageSha256: sha256, width, height, predictions, features } = outcome;
  return {
    ...about,
    stale: model !== live.model || head !== live.head,
    image: { sha256, width, height },
    model: namedOf(model),
    ...(head !== "" && { head: namedOf(head) }),
    predictions: [...predictions],
    ...(features && { features: bytesToBase64(float32Bytes(features)) }),
  };
}

function namedOf(nameAndVersion: string): { name: string; version: string } {
  const [name = "", version = ""] = nameAndVersion.split("/");
  return { name, version };
}

function integerText(min: number, max: number, about: string) {
  const error = `an integer from ${min} to ${max}`;
  return z
    .string()
    .regex(/^\d{1,9}$/, { error })
    .transform(Number)
    .pipe(z.int().min(min, { error }).max(max, { error }))
    .optional()
    .describe(about);
}

const keyParameter = z.string({ error: "the key of an object" }).min(1, { error: "the key of an object" });
const scoreError = "a number from 0 to 1";

const listQuerySchema = z.object({
  label: z
    .string()
    .optional()
    .describe("Pictures with this best label, highest score first. Default: all, by key."),
  min_score: z
    .string()
    .regex(/^(0|1|0?\.\d{1,17}|1\.0+|0\.0+)$/, { error: scoreError })
    .transform(Number)
    .pipe(z.number().min(0).max(1))
    .optional()
    .describe("Lowest score of the best label, 0 to 1."),
  code: z.string().optional().describe("Objects that failed with this error code."),
  key: z.string().optional().describe("The object with this key alone."),
  prefix: z.string().optional().describe("Objects whose keys begin with this text."),
  include: z
    .enum(["features"], { error: "features" })
    .optional()
    .describe("features: with the features, if KEEP_FEATURES is set."),
  limit: integerText(1, maxListed, `1 to ${maxListed}. Default: ${defaultListed}.`),
  cursor: z.string().optional().describe("The cursor of the answer before, with the same other parameters."),
});

const similarQuerySchema = z.object({
  key: keyParameter.describe("The picture to compare with."),
  limit: integerText(1, maxSimilar, `1 to ${maxSimilar}. Default: ${defaultSimilar}.`),
});

const thumbnailQuerySchema = z.object({
  key: keyParameter.describe("The object."),
  size: integerText(
    minThumbnail,
    maxThumbnail,
    `Pixels of the longer side: ${minThumbnail} to ${maxThumbnail}. Default: ${defaultThumbnail}.`,
  ),
});

const failuresSchema = z
  .array(z.strictObject({ code: z.string().describe("An error code."), count: z.int().min(1) }))
  .describe("Objects without a label, most frequent code first.");

const versionSchema = z.strictObject({ name: packNameSchema, version: packVersionSchema });

/** A labelled object, or one that could not be labelled. */
export const pictureSchema = z.strictObject({
  key: z.string().describe("Key of the object. Anyone who uploads may choose it, so escape it."),
  etag: z.string().describe("R2's etag of the version that was labelled."),
  uploaded: z.iso.datetime(),
  labelled_at: z.iso.datetime(),
  stale: z.boolean().describe("Whether another version of the model or of the head made the label."),
  image: z
    .strictObject({
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
      width: z.int().min(1).describe("Pixels as displayed."),
      height: z.int().min(1).describe("Pixels as displayed."),
    })
    .optional(),
  model: versionSchema.optional().describe("The model that made the label."),
  head: versionSchema.optional().describe("The head whose class the label is, if PICTURES_HEAD names one."),
  predictions: z.array(predictionSchema).optional().describe("Up to five, best first."),
  error: z
    .strictObject({ code: z.string(), detail: z.string() })
    .optional()
    .describe("Why the object has no label. Then image, model and predictions are absent."),
  quarantined_from: z.string().optional().describe("Key before the object was moved into quarantine."),
  features: z.string().optional().describe("Little-endian float32 in base64."),
});

/** Answer of GET /v1/pictures. */
export const picturesSchema = z.strictObject({
  pictures: z.array(pictureSchema),
  cursor: z.string().optional().describe("For the next request. Absent on the last page."),
});

/** Answer of GET /v1/pictures/labels. */
export const labelCountsSchema = z.strictObject({
  labels: z
    .array(z.strictObject({ label: z.string(), count: z.int().min(1) }))
    .describe("Best labels, most frequent first."),
  failures: failuresSchema,
});

/** Answer of GET /v1/pictures/status. */
export const picturesStatusSchema = z.strictObject({
  pictures: z.int().describe("Objects with a row, labelled or not."),
  current: z.int().describe("Pictures labelled by the live model and head."),
  stale: z.int().describe("Pictures labelled by other versions."),
  failed: z.int().describe("Objects without a label."),
  failures: failuresSchema,
  dead_letters: z.strictObject({
    count: z.int().describe("Messages that failed too often, or were not understood."),
    keys: z.array(z.string()).describe(`Objects of the newest ${maxDeadKeys}.`),
  }),
  waiting: z.int().describe("Messages in the queue."),
});

/** Answer of GET /v1/pictures/similar. */
export const similarSchema = z.strictObject({
  key: z.string(),
  compared: z.int().describe("Pictures with features of the same model."),
  pictures: z
    .array(pictureSchema.extend({ similarity: z.number().describe("Cosine of the features, -1 to 1.") }))
    .describe("Most similar first, without the picture itself."),
});

/** Errors of all routes below /v1/pictures. */
export const picturesErrors = ["not_configured", "api_keys_required", "pictures_unavailable"] as const;
const modelErrors = ["model_unavailable", "unknown_head", "head_mismatch", "head_unavailable"] as const;

/** The routes, for the OpenAPI document. */
export const picturesDocs: readonly RouteDoc[] = [
  {
    method: "get",
    path: "/v1/pictures",
    operationId: "listPictures",
    summary: "List the labelled pictures of the bucket",
    query: listQuerySchema,
    answer: { description: "The pictures", schema: picturesSchema },
    errors: [...picturesErrors, ...modelErrors, "invalid_parameter"],
  },
  {
    method: "get",
    path: "/v1/pictures/labels",
    operationId: "getPictureLabels",
    summary: "Count the pictures by label",
    answer: { description: "The counts", schema: labelCountsSchema },
    errors: picturesErrors,
  },
  {
    method: "get",
    path: "/v1/pictures/status",
    operationId: "getPicturesStatus",
    summary: "Get the progress of labelling",
    answer: { description: "The progress", schema: picturesStatusSchema },
    errors: [...picturesErrors, ...modelErrors],
  },
  {
    method: "get",
    path: "/v1/pictures/similar",
    operationId: "getSimilarPictures",
    summary: "Find similar pictures",
    description: `Compares the features of all pictures of the same model, at most ${maxComparedPictures}.`,
    query: similarQuerySchema,
    answer: { description: "The most similar pictures", schema: similarSchema },
    errors: [
      ...([...picturesErrors, ...modelErrors, "invalid_parameter"] as const),
      ...(["unknown_picture", "features_missing", "too_many_pictures"] as const),
    ],
  },
  {
    method: "get",
    path: "/v1/pictures/thumbnail",
    operationId: "getThumbnail",
    summary: "Get a small JPEG of an object",
    query: thumbnailQuerySchema,
    answer: {
      description: "The thumbnail",
      mediaType: "image/jpeg",
      headers: { ETag: "Identifies the version of the object and the size." },
    },
    conditional: true,
    errors: [...picturesErrors, ...imageErrors, "unknown_picture"],
  },
];

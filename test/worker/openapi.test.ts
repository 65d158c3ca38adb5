/** The document and its page as served, and real answers against the schemas that they promise. */
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { z } from "zod";
import type { OpenApiDocument } from "../../src/http/openapi/document.ts";
import { healthSchema, readinessSchema } from "../../src/http/routes/health.ts";
import { labelsAnswerSchema, modelSchema } from "../../src/http/routes/model.ts";
import { classificationSchema, problemSchema } from "../../src/http/schemas.ts";
import { type Answer, exampleImage, TestWorker } from "../support/worker.ts";

const key = "a-key-0123456789abcdef";
const authorized = { Authorization: `Bearer ${key}` };
let worker: TestWorker;
let broken: TestWorker;
let document: OpenApiDocument;
let ship: Uint8Array;
const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });

beforeAll(async () => {
  ship = await exampleImage("ship");
  worker = await TestWorker.start({ vars: { API_KEYS: key, MAX_IMAGE_BYTES: 300_000 } });
  broken = await TestWorker.start({ seeded: false });
  document = (await worker.get("/openapi.json")).json as unknown as OpenApiDocument;
  ajv.addSchema(document, "openapi");
});

afterAll(async () => {
  await worker?.close();
  await broken?.close();
});

/** Against what the document says of this answer: its status, media type, headers and schema. */
function expectAsDocumented(answer: Answer, method: "get" | "post", path: string): void {
  const response = document.paths[path]![method]!.responses[answer.status];
  expect(response, `${method} ${path} may answer ${answer.status}`).toBeDefined();
  const mediaType = answer.headers.get("Content-Type")!.split(";")[0]!;
  expect(Object.keys(response!.content!)).toEqual([mediaType]);
  for (const header of Object.keys(response!.headers ?? {})) expect(answer.headers.has(header)).toBe(true);
  if (answer.status >= 400) expect(response!.description.split(", ")).toContain(answer.json.code);
  const pointer = ["paths", path, method, "responses", String(answer.status), "content", mediaType, "schema"]
    .map((part) => encodeURIComponent(part.replaceAll("~", "~0").replaceAll("/", "~1")))
    .join("/");
  const validate = ajv.compile({ $ref: `openapi#/${pointer}` });
  validate(answer.json);
  expect(validate.errors ?? []).toEqual([]);
}

interface Case {
  readonly what: string;
  readonly status: number;
  readonly schema: z.ZodType;
  readonly method: "get" | "post";
  readonly path: string;
  readonly ask: () => Promise<Answer>;
}

const get = (path: string, schema: z.ZodType, what: string, status = 200, from = () => worker): Case => ({
  ...{ what, status, schema, path, method: "get" },
  ask: () => from().get(path, { headers: authorized }),
});
const post = (what: string, status: number, body: () => Uint8Array | string, query = ""): Case => ({
  ...{ what, status, path: "/v1/classify", method: "post" },
  schema: status === 200 ? classificationSchema : problemSchema,
  ask: () => worker.classify(body(), query, authorized),
});

describe("real answers are as the document says", () => {
  test.each([
    post("a classification", 200, () => ship, "?top_k=3"),
    get("/v1/model", modelSchema, "the model"),
    get("/v1/labels", labelsAnswerSchema, "the labels"),
    get("/healthz", healthSchema, "alive"),
    get("/readyz", readinessSchema, "ready"),
    post("top_k out of range", 400, () => ship, "?top_k=11"),
    post("an empty body", 400, () => ""),
    post("too large", 413, () => new Uint8Array(300_001)),
    post("not an image", 415, () => "text"),
    post("a broken image", 422, () => ship.slice(0, 500)),
    get("/readyz", problemSchema, "no model", 503, () => broken),
    { ...get("/v1/model", problemSchema, "no key", 401), ask: () => worker.get("/v1/model") },
  ])("$what ($status)", async ({ status, schema, method, path, ask }) => {
    const answer = await ask();
    expect(answer.status).toBe(status);
    expect(schema.safeParse(answer.json).error).toBeUndefined();
    expectAsDocumented(answer, method, path);
  });

  test("a problem has no member that the schema does not name", async () => {
    const known = Object.keys(problemSchema.shape);
    for (const answer of [await worker.get("/v1/model"), await worker.classify("text", "", authorized)]) {
      expect(known).toEqual(expect.arrayContaining(Object.keys(answer.json)));
    }
  });

  test("the check can fail: an answer with a member too many, or one too few, is caught", () => {
    const validate = ajv.compile({ $ref: "openapi#/components/schemas/Health" });
    expect([{ status: "ok" }, { status: "ok", more: 1 }, {}].map((value) => validate(value))).toEqual([
      true,
      false,
      false,
    ]);
  });
});

describe("the document and its page", () => {
  test.each(["/openapi.json", "/docs"])("%s needs no key, and gives 304 for its ETag", async (path) => {
    const first = await worker.get(path);
    expect(first.status).toBe(200);
    const etag = first.headers.get("ETag")!;
    expect((await worker.get(path, { headers: { "If-None-Match": etag } })).status).toBe(304);
    expect((await worker.get(path, { method: "HEAD" })).status).toBe(200);
  });

  test("the page shows every path and schema, and loads nothing", async () => {
    const { headers, text } = await worker.get("/docs");
    expect(headers.get("Content-Type")).toMatch(/^text\/html/);
    for (const path of Object.keys(document.paths)) expect(text).toContain(path);
    for (const name of Object.keys(document.components.schemas)) expect(text).toContain(`id="${name}"`);
    expect(text).not.toMatch(/<script|<link|<img|src=|@import|url\(|\son\w+=/);
    expect(text).not.toMatch(/\[object|undefined/);
  });

  test("the page's policy allows its one style, by hash, and nothing else", async () => {
    const { headers, text } = await worker.get("/docs");
    const style = /<style>([\s\S]*?)<\/style>/.exec(text)![1]!;
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(style));
    const policy = headers.get("Content-Security-Policy")!;
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain(`style-src 'sha256-${Buffer.from(digest).toString("base64")}'`);
    expect(policy).not.toMatch(/script-src|unsafe|\*/);
  });
});

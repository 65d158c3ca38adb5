/** The document and its page as served, and real answers against the schemas that they promise. */
import { request } from "node:http";
import { text } from "node:stream/consumers";
import { Ajv2020 } from "ajv/dist/2020.js";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { OpenApiDocument } from "../../src/http/openapi/document.ts";
import { problemSchema } from "../../src/http/schemas.ts";
import { Origin } from "../support/origin.ts";
import type { Faults } from "../support/pictures/faults.ts";
import {
  drain,
  eventOf,
  labelAll,
  type PicturesWorker,
  startPictures,
} from "../support/pictures/pictures-worker.ts";
import { type Answer, exampleImage, servedModel, TestWorker } from "../support/worker.ts";
import { configWith } from "../support/wrangler-config.ts";

const key = "a-key-0123456789abcdef";
const authorized = { Authorization: `Bearer ${key}` };
let worker: TestWorker;
/** Has no model and no image origin. */
let broken: TestWorker;
/** Answers one request per minute and caller. */
let limited: TestWorker;
/** Labels a bucket, and has no keys. */
let labelled: PicturesWorker;
let origin: Origin;
/** Small, because workerd closes the connection of a request that it refuses unread, and a client that still sends loses the answer. */
const maxImageBytes = 40_000;
const rateLimit = await configWith(
  "openapi-rate-limit",
  '[[ratelimits]]\nname = "RATE_LIMITER"\nnamespace_id = "1001"\nsimple = { limit = 1, period = 60 }',
);
let document: OpenApiDocument;
let teapot: Uint8Array;
const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });

beforeAll(async () => {
  teapot = new Uint8Array(
    await sharp(await exampleImage("teapot"))
      .resize(400)
      .jpeg()
      .toBuffer(),
  );
  origin = await Origin.start();
  for (const path of ["/teapot.jpg", "/base/teapot.jpg"]) origin.image(path, teapot, '"1"');
  origin.image("/large.jpg", tooLarge);
  origin.image("/text.jpg", new TextEncoder().encode("text"));
  origin.image("/broken.jpg", teapot.slice(0, 500));
  origin.on("/down.jpg", (_, response) => response.writeHead(500).end());
  origin.on("/base/silent.jpg", () => {});
  worker = await TestWorker.start({
    vars: {
      API_KEYS: key,
      MAX_IMAGE_BYTES: maxImageBytes,
      ALLOWED_IMAGE_HOSTS: origin.host,
      IMAGE_ORIGIN: origin.url("/base"),
    },
  });
  broken = await TestWorker.start({ seeded: false });
  limited = await TestWorker.start({ configPath: rateLimit.configPath, seeded: false });
  labelled = await startPictures({
    ...{ configPath: "test/support/pictures/faulty.toml", fromSource: true },
    vars: { KEEP_FEATURES: "true", MAX_IMAGE_BYTES: maxImageBytes },
  });
  const objects = { "teapot.jpg": teapot, text: "text", half: teapot.slice(0, 500), large: tooLarge };
  for (const [name, bytes] of Object.entries(objects)) await labelled.pictures.put(name, bytes);
  await labelAll(labelled);
  await drain(labelled);
  document = (await worker.get("/openapi.json")).json as unknown as OpenApiDocument;
  ajv.addSchema(document, "openapi");
});

afterAll(async () => {
  await worker?.close();
  await broken?.close();
  await limited?.close();
  await labelled?.worker.close();
  await origin?.close();
  await rateLimit.remove();
});

/** Against what the document says of this answer: its status, media type, headers and schema. */
function expectAsDocumented(answer: Answer, method: "get" | "post", path: string): void {
  const response = document.paths[path]![method]!.responses[answer.status];
  expect(response, `${method} ${path} may answer ${answer.status}`).toBeDefined();
  const [documentedType] = Object.keys(response!.content ?? {});
  if (documentedType === undefined) {
    expect(answer.text).toBe("");
    return;
  }
  const mediaType = answer.headers.get("Content-Type")!.split(";")[0]!;
  expect(mediaType).toMatch(new RegExp(`^${documentedType.replace("+", "\\+").replace("*", ".+")}$`));
  const headers = Object.keys(response!.headers ?? {}).filter((name) => name !== "X-Image-Classify-Error");
  for (const header of headers) expect(answer.headers.has(header), header).toBe(true);
  if (answer.status >= 400) expect(response!.description.split(", ")).toContain(answer.json.code);
  if (response!.content![documentedType]!.schema === undefined) return;
  const pointer = [
    "paths",
    path,
    method,
    "responses",
    String(answer.status),
    "content",
    documentedType,
    "schema",
  ]
    .map((part) => encodeURIComponent(part.replaceAll("~", "~0").replaceAll("/", "~1")))
    .join("/");
  const validate = ajv.compile({ $ref: `openapi#/${pointer}` });
  validate(answer.json);
  expect(validate.errors ?? []).toEqual([]);
}

/** A request for one documented status. */
interface Provocation {
  readonly status: number;
  readonly ask: () => Promise<Answer>;
}

const at = (status: number, ask: () => Promise<Answer>): Provocation => ({ status, ask });
const get = (pathname: string, headers = {}) =>
  worker.get(pathname, { headers: { ...authorized, ...headers } });
const send = (pathname: string, body: Uint8Array | string, headers = {}) =>
  worker.get(pathname, { method: "POST", body: body as BodyInit, headers: { ...authorized, ...headers } });
const byUrl = (pathname: string, headers = {}) =>
  get(`/v1/classify?url=${encodeURIComponent(origin.url(pathname))}`, headers);
const postUrl = (url: string, headers = {}) =>
  send("/v1/classify", JSON.stringify({ url }), { "Content-Type": "application/json", ...headers });
const unchanged = async (ask: (headers: Record<string, string>) => Promise<Answer>) =>
  ask({ "If-None-Match": (await ask({})).headers.get("ETag")! });
const loop = { Via: "1.1 edge-resnet" };
const tooLarge = new Uint8Array(maxImageBytes + 1);
/** The rate limit allows one request per period. The third request is over it, even if a period ends in between. */
const rateLimited = async (pathname: string, init: RequestInit = {}) => {
  for (let i = 0; i < 2; i++) await limited.get(pathname, init);
  return limited.get(pathname, init);
};
const withoutKey =
  (pathname: string, method = "GET") =>
  () =>
    worker.get(pathname, { method });

const commonOf = (pathname: string, method: "GET" | "POST" = "GET") => [
  at(401, withoutKey(pathname, method)),
  at(429, () => rateLimited(pathname, { method })),
];
const ofBody = (pathname: string) => [
  ...commonOf(pathname, "POST"),
  at(200, () => send(pathname, teapot)),
  at(400, () => send(pathname, "")),
  at(413, () => send(pathname, tooLarge)),
  at(415, () => send(pathname, "text")),
  at(422, () => send(pathname, teapot.slice(0, 500))),
  at(503, () => broken.get(pathname, { method: "POST", body: teapot as BodyInit })),
];

/** Asks the Worker that labels a bucket. */
const ask = (pathname: string, init: RequestInit = {}) => labelled.worker.get(pathname, init);
const setFaults = (faults: Faults) => ask("/.faults", { method: "PUT", body: JSON.stringify(faults) });

async function whileBindingsFail(pathname: string, init: RequestInit): Promise<Answer> {
  await setFaults({ failing: 1 });
  return ask(pathname, init).finally(() => setFaults({}));
}

/** Asks as a client of a deployed Worker does. fetch() cannot send another Host. */
function askDeployed(pathname: string, method: string): Promise<Answer> {
  const url = new URL(pathname, labelled.worker.url);
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers: { Host: "classify.example.com" } }, async (response) => {
      const body = await text(response);
      const headers = new Headers(response.headers as Record<string, string>);
      resolve({ status: response.statusCode!, headers, text: body, json: JSON.parse(body) });
    });
    sent.on("error", reject).end();
  });
}

const ofPictures = (pathname: string, method: "GET" | "POST" = "GET", body?: string) => {
  const init = { method, ...(body !== undefined && { body }) };
  return [
    ...commonOf(pathname, method),
    at(200, () => ask(pathname, init)),
    at(403, () => askDeployed(pathname, method)),
    // The other Worker has no bucket to label.
    at(404, () => worker.get(pathname, { ...init, headers: authorized })),
    at(503, () => whileBindingsFail(pathname, init)),
  ];
};

const provocations: Record<string, readonly Provocation[]> = {
  "post /v1/classify": [
    ...ofBody("/v1/classify"),
    at(403, () => postUrl("https://elsewhere.example/a.jpg")),
    at(404, () => send("/v1/classify?head=none", teapot)),
    at(508, () => postUrl(origin.url("/teapot.jpg"), loop)),
  ],
  "get /v1/classify": [
    ...commonOf("/v1/classify?url=x"),
    at(200, () => byUrl("/teapot.jpg")),
    at(304, () => unchanged((headers) => byUrl("/teapot.jpg", headers))),
    at(400, () => get("/v1/classify")),
    at(403, () => get("/v1/classify?url=https://elsewhere.example/a.jpg")),
    at(404, () => get(`/v1/classify?head=none&url=${encodeURIComponent(origin.url("/teapot.jpg"))}`)),
    at(413, () => byUrl("/large.jpg")),
    at(415, () => byUrl("/text.jpg")),
    at(422, () => byUrl("/broken.jpg")),
    at(503, () => byUrl("/down.jpg")),
    at(508, () => byUrl("/teapot.jpg", loop)),
  ],
  "post /v1/embed": ofBody("/v1/embed"),
  "post /models/{name}": [...ofBody(`/models/${servedModel}`), at(404, () => send("/models/none", teapot))],
  "get /cdn/{path}": [
    ...commonOf("/cdn/teapot.jpg"),
    at(200, () => get("/cdn/teapot.jpg")),
    at(304, () => unchanged((headers) => get("/cdn/teapot.jpg", headers))),
    at(400, () => get("/cdn/..%2fship.jpg")),
    at(403, () => broken.get("/cdn/teapot.jpg")),
    at(503, () => get("/cdn/silent.jpg")),
    at(508, () => get("/cdn/teapot.jpg", loop)),
  ],
  "get /v1/model": [
    ...commonOf("/v1/model"),
    at(200, () => get("/v1/model")),
    at(304, () => unchanged((headers) => get("/v1/model", headers))),
    at(503, () => broken.get("/v1/model")),
  ],
  "get /v1/labels": [
    ...commonOf("/v1/labels"),
    at(200, () => get("/v1/labels")),
    at(304, () => unchanged((headers) => get("/v1/labels", headers))),
    at(400, () => get("/v1/labels?head=A%20B")),
    at(404, () => get("/v1/labels?head=none")),
    at(503, () => broken.get("/v1/labels")),
  ],
  "get /v1/heads": [
    ...commonOf("/v1/heads"),
    at(200, () => get("/v1/heads")),
    at(304, () => unchanged((headers) => get("/v1/heads", headers))),
    at(503, () => broken.get("/v1/heads")),
  ],
  "get /v1/pictures": [...ofPictures("/v1/pictures"), at(400, () => ask("/v1/pictures?limit=0"))],
  "get /v1/pictures/labels": ofPictures("/v1/pictures/labels"),
  "get /v1/pictures/status": ofPictures("/v1/pictures/status"),
  "get /v1/pictures/similar": [
    ...ofPictures("/v1/pictures/similar?key=teapot.jpg"),
    at(400, () => ask("/v1/pictures/similar")),
    at(409, () => ask("/v1/pictures/similar?key=text")),
  ],
  "get /v1/pictures/thumbnail": [
    ...ofPictures("/v1/pictures/thumbnail?key=teapot.jpg"),
    at(304, () => unchanged((headers) => ask("/v1/pictures/thumbnail?key=teapot.jpg", { headers }))),
    at(400, () => ask("/v1/pictures/thumbnail")),
    at(413, () => ask("/v1/pictures/thumbnail?key=large")),
    at(415, () => ask("/v1/pictures/thumbnail?key=text")),
    at(422, () => ask("/v1/pictures/thumbnail?key=half")),
  ],
  ...Object.fromEntries(
    ["label", "retry", "events"].map((route) => [
      `post /v1/pictures/${route}`,
      [
        ...ofPictures(
          `/v1/pictures/${route}`,
          "POST",
          route === "events" ? JSON.stringify({ events: [eventOf("a")] }) : "{}",
        ),
        at(400, () => ask(`/v1/pictures/${route}`, { method: "POST", body: "[]" })),
      ],
    ]),
  ),
  "get /healthz": [at(200, () => get("/healthz"))],
  "get /readyz": [
    ...commonOf("/readyz"),
    at(200, () => get("/readyz")),
    at(503, () => broken.get("/readyz")),
  ],
  "get /openapi.json": [
    at(200, () => get("/openapi.json")),
    at(304, () => unchanged((headers) => get("/openapi.json", headers))),
    at(429, () => rateLimited("/openapi.json")),
  ],
  "get /docs": [
    at(200, () => get("/docs")),
    at(304, () => unchanged((headers) => get("/docs", headers))),
    at(429, () => rateLimited("/docs")),
  ],
};

describe("every operation answers as the document says", () => {
  test("every documented status but 500 is provoked", () => {
    const documented = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.entries(operations).flatMap(([method, { responses }]) =>
        Object.keys(responses).map((status) => `${method} ${path} ${status}`),
      ),
    );
    const provoked = Object.entries(provocations).flatMap(([operation, all]) =>
      all.map(({ status }) => `${operation} ${status}`),
    );
    // 500 stands for a fault of the Worker itself.
    expect(provoked.toSorted()).toEqual(documented.filter((line) => !line.endsWith(" 500")).toSorted());
  });

  test.each(
    Object.entries(provocations).flatMap(([operation, all]) =>
      all.map(({ status, ask }) => ({ operation, status, ask })),
    ),
  )("$operation: $status", async ({ operation, status, ask }) => {
    const answer = await ask();
    expect(answer.status, answer.text.slice(0, 500)).toBe(status);
    const [method, path] = operation.split(" ") as ["get" | "post", string];
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

/** Images in JSON bodies: how a source reads them, and the errors of POST /models/NAME. */
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { base64ToBytes, bytesToBase64 } from "../../src/bytes/byte-arrays.ts";
import { Admission } from "../../src/concurrency/admission.ts";
import { ClassifierError } from "../../src/errors.ts";
import { requestSource } from "../../src/http/sources/request-source.ts";
import { jsonBodyFactor, maxJsonBodyBytes } from "../../src/limits.ts";
import { MemoryBucket } from "../support/memory-bucket.ts";
import { TinyApp } from "../support/tiny-app.ts";
import { seedTinyPack, tinyName } from "../support/tiny-pack.ts";

const url = `http://localhost/models/${tinyName}`;
const post = (body: string, type = "application/json") =>
  new Request(url, { method: "POST", body, headers: { "Content-Type": type } });

const permit = await new Admission({
  capacityBytes: 1e8,
  reservedBytes: 0,
  maxWaiting: 0,
  maxWaitMs: 1000,
  leaseMs: 1e6,
}).acquire({ bytes: 0, maxBytes: 1e8 });

const schema = z.object({
  inputs: z.string(),
  parameters: z.object({ top_k: z.number().optional() }).nullish(),
});
const sourceOf = (request: Request, maxBytes = 100) =>
  requestSource(request, maxBytes, {
    json: {
      schema,
      expected: "inputs",
      contentOf: ({ inputs, parameters }, decode) => ({
        images: [decode(inputs)],
        ...(parameters && { options: parameters }),
      }),
    },
  });
const read = async (body: string, maxBytes = 100) => sourceOf(post(body), maxBytes).read(permit, undefined);
const reasonOf = (work: Promise<unknown>) =>
  work.then(
    () => expect.unreachable("it should have failed"),
    (error: unknown) => (error as ClassifierError).reason,
  );

describe("base64", () => {
  test.each([0, 1, 2, 3, 24_575, 24_576, 24_577, 100_000])("restores %i bytes", (length) => {
    const bytes = Uint8Array.from({ length }, (_, i) => (i * 7919) >> 3);
    const text = bytesToBase64(bytes);
    expect(text).toBe(Buffer.from(bytes).toString("base64"));
    expect(base64ToBytes(text)).toEqual(bytes);
  });

  test.each(["A", "AA", "AAA", "AA\n=", "A===", "AA==AAAA", "AA-_", "AAé="])("refuses %j", (text) => {
    expect(base64ToBytes(text)).toBeUndefined();
  });
});

describe("an image in JSON", () => {
  const start = Uint8Array.of(0xff, 0xd8, 0xff);

  test("returns the image and the options", async () => {
    const body = { inputs: "/9j/", parameters: { top_k: 2 } };
    expect(await read(JSON.stringify(body), 3)).toEqual({ images: [start], options: { top_k: 2 } });
  });

  test("accepts a data URL, and parameters of null", async () => {
    const body = { inputs: "data:image/jpeg;base64,/9j/", parameters: null };
    expect(await read(JSON.stringify(body))).toEqual({ images: [start] });
  });

  test("refuses an empty image, and one over the limit", async () => {
    expect(await reasonOf(read('{"inputs":""}'))).toEqual({ code: "empty_body" });
    expect(await reasonOf(read('{"inputs":"/9j/"}', 2))).toMatchObject({ measured: 3, limit: 2 });
  });

  test("asks for memory for text and image, and refuses a body over the limit unread", () => {
    const request = (bytes: number) =>
      new Request(url, {
        ...{ method: "POST", body: "{}" },
        headers: { "Content-Type": "application/json", "Content-Length": String(bytes) },
      });
    expect(sourceOf(request(1000)).maxBytes).toBe(1000 * jsonBodyFactor);
    expect(() => sourceOf(request(136 + 4096))).not.toThrow();
    expect(() => sourceOf(request(136 + 4096 + 1))).toThrow(ClassifierError);
    expect(() => sourceOf(request(maxJsonBodyBytes + 1), 2 ** 24)).toThrow(ClassifierError);
  });

  test.each([
    ["application/json", true],
    ["Application/JSON; charset=utf-8", true],
    ["application/jsonp", false],
    ["image/jpeg", false],
  ])("%s is JSON: %s", (type, expected) => {
    const request = post("{}", type);
    request.headers.set("Content-Length", "10");
    expect(sourceOf(request).maxBytes).toBe(expected ? 10 * jsonBodyFactor : 10);
  });
});

describe("POST /models/NAME", () => {
  test.each([
    ["not JSON", "{", /not JSON/],
    ["nested arrays", "[".repeat(100), /nests more than 8 levels deep/],
    ["many keys", `{"inputs":"/9j/"${',"a":0'.repeat(100)}}`, /more than 64 brackets/],
    ["an array", "[]", /JSON of another shape/],
    ["no inputs", "{}", /field inputs is wrong/],
    ["inputs of another kind", '{"inputs":[1]}', /field inputs is wrong/],
    ["inputs that are not base64", '{"inputs":"AA-_"}', /not base64 of the standard alphabet/],
    ["inputs that are cut short", '{"inputs":"A"}', /cut short/],
    [
      "a top_k of another kind",
      '{"inputs":"/9j/","parameters":{"top_k":[]}}',
      /field parameters\.top_k is wrong/,
    ],
  ])("with %s is malformed_body with the reason", async (_, body, detail) => {
    const bucket = new MemoryBucket();
    await seedTinyPack(bucket);
    const app = new TinyApp(bucket);
    const response = await app.fetch(post(body));
    expect([response.status, await response.json()]).toEqual([
      400,
      expect.objectContaining({ code: "malformed_body", detail: expect.stringMatching(detail) }),
    ]);
    await app.settled();
    expect([app.services.admission.permits, app.services.admission.heldBytes]).toEqual([0, 0]);
  });
});

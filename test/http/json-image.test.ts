import { describe, expect, test } from "vitest";
import { base64ToBytes, bytesToBase64 } from "../../src/bytes/base64.ts";
import { Admission } from "../../src/concurrency/admission.ts";
import { ClassifierError } from "../../src/errors.ts";
import { isJson, jsonImage } from "../../src/http/json-image.ts";
import { maxJsonBodyBytes } from "../../src/limits.ts";

const post = (body: string, type = "application/json") =>
  new Request("http://localhost/models/m", { method: "POST", body, headers: { "Content-Type": type } });

const permit = await new Admission({
  capacityBytes: 1e8,
  reservedBytes: 0,
  maxWaiting: 0,
  maxWaitMs: 1000,
  leaseMs: 1e6,
}).acquire({ bytes: 0, maxBytes: 1e8 });
const read = (body: string, maxBytes = 100) => jsonImage(() => {}).read(post(body), maxBytes, permit);
const reasonOf = (work: Promise<unknown>) =>
  work.then(
    () => expect.unreachable("it should have failed"),
    (error: unknown) => (error as ClassifierError).reason,
  );

describe("base64", () => {
  test.each([0, 1, 2, 3, 24_575, 24_576, 24_577, 100_000])("%i bytes come back", (length) => {
    const bytes = Uint8Array.from({ length }, (_, i) => (i * 7919) >> 3);
    const text = bytesToBase64(bytes);
    expect(text).toBe(Buffer.from(bytes).toString("base64"));
    expect(base64ToBytes(text)).toEqual(bytes);
  });

  test.each(["A", "AA", "AAA", "AA\n=", "A===", "AA==AAAA", "AA-_", "AAé="])("%j is none", (text) => {
    expect(base64ToBytes(text)).toBeUndefined();
  });
});

describe("jsonImage", () => {
  test("gives the bytes, and the parameters as words", async () => {
    const seen: unknown[] = [];
    const body = { inputs: "/9j/", parameters: { top_k: 2, function_to_apply: "none" } };
    const bytes = await jsonImage((given) => void seen.push(given)).read(
      post(JSON.stringify(body)),
      3,
      permit,
    );
    expect(bytes).toEqual(Uint8Array.of(0xff, 0xd8, 0xff));
    expect(seen).toEqual([{ topK: "2", functionToApply: "none" }]);
  });

  test("a data URL is taken, and parameters of null are none", async () => {
    const body = { inputs: "data:image/jpeg;base64,/9j/", parameters: null };
    expect(await read(JSON.stringify(body))).toEqual(Uint8Array.of(0xff, 0xd8, 0xff));
  });

  test.each([
    ["not JSON", "{", "body"],
    ["nested arrays", "[".repeat(100), "body"],
    ["many keys", `{"inputs":"/9j/"${',"a":0'.repeat(100)}}`, "body"],
    ["an array", "[]", "body"],
    ["no inputs", "{}", "inputs"],
    ["inputs of another kind", '{"inputs":[1]}', "inputs"],
    ["inputs that are not base64", '{"inputs":"AA"}', "inputs"],
    ["a top_k of another kind", '{"inputs":"/9j/","parameters":{"top_k":[]}}', "parameters.top_k"],
  ])("%s: invalid_parameter that names it", async (_, body, parameter) => {
    expect(await reasonOf(read(body))).toMatchObject({ code: "invalid_parameter", parameter });
  });

  test("an empty image, and one over the limit", async () => {
    expect(await reasonOf(read('{"inputs":""}'))).toEqual({ code: "empty_body" });
    expect(await reasonOf(read('{"inputs":"/9j/"}', 2))).toMatchObject({ measured: 3, limit: 2 });
  });

  test("room is asked for text and image, and a body over the bound is refused unread", () => {
    const { memoryBytes } = jsonImage(() => {});
    const request = (bytes: number) =>
      new Request("http://localhost", {
        method: "POST",
        body: "{}",
        headers: { "Content-Length": String(bytes) },
      });
    expect(memoryBytes(request(1000), 100)).toBe(4000);
    expect(() => memoryBytes(request(136 + 1024 + 1), 100)).toThrow(ClassifierError);
    expect(() => memoryBytes(request(maxJsonBodyBytes + 1), 2 ** 24)).toThrow(ClassifierError);
  });

  test.each([
    ["application/json", true],
    ["Application/JSON; charset=utf-8", true],
    ["application/jsonp", false],
    ["image/jpeg", false],
  ])("%s is JSON: %s", (type, expected) => {
    expect(isJson(post("{}", type))).toBe(expected);
  });
});

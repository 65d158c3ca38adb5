import { describe, expect, test } from "vitest";
import type { ImageSource } from "../../src/classifier/score.ts";
import type { Permit } from "../../src/concurrency/admission.ts";
import {
  type ClassifierError,
  ClassifierError as Failure,
  type Reason,
  type ReasonCode,
  toClassifierError,
} from "../../src/errors.ts";
import { problemResponse } from "../../src/http/problem.ts";
import { requestSource } from "../../src/http/sources/request-source.ts";
import { MemoryBucket } from "../support/memory-bucket.ts";
import { TinyApp } from "../support/tiny-app.ts";
import { seedTinyPack } from "../support/tiny-pack.ts";

const url = "http://localhost/v1/classify";

function post(chunks: readonly Uint8Array[], headers: Record<string, string> = {}, after?: Error): Request {
  let pulled = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const chunk = chunks[pulled++];
      if (chunk) controller.enqueue(chunk);
      else if (after) controller.error(after);
      else controller.close();
    },
  });
  return new Request(url, { method: "POST", body, headers, duplex: "half" } as RequestInit);
}

const reasonOf = (work: Promise<unknown>): Promise<Reason> =>
  work.then(
    () => expect.unreachable("it should have failed"),
    (error: ClassifierError) => error.reason,
  );

const permit: Permit = {
  heldBytes: Number.POSITIVE_INFINITY,
  growTo: async () => {},
  shrinkTo: () => {},
  release: () => {},
};
const read = async (request: Request, limit: number) => imageOf(requestSource(request, limit));
const imageOf = async (source: ImageSource) => {
  const content = await source.read(permit, undefined);
  if ("source" in content) return expect.unreachable("the body holds the image");
  return content.images[0]!;
};

describe("a body that is one image", () => {
  test("joins the chunks in order", async () => {
    const chunks = [Uint8Array.of(1, 2), Uint8Array.of(3), Uint8Array.of(4, 5, 6)];
    expect(await read(post(chunks), 6)).toEqual(Uint8Array.of(1, 2, 3, 4, 5, 6));
  });

  test.each([undefined, "2", "6", "300000"])(
    "holds a body once and frees its chunks as they arrive, announced as %s",
    async (length) => {
      const chunks = [1, 2, 3].map((byte) => new Uint8Array(70_000).fill(byte));
      const headers: Record<string, string> = length === undefined ? {} : { "Content-Length": length };
      const body = await read(post(chunks, headers), 300_000);
      expect(body.length).toBe(210_000);
      expect(body.buffer.byteLength).toBe(210_000);
      expect([0, 69_999, 70_000, 140_000, 209_999].map((i) => body[i])).toEqual([1, 1, 2, 3, 3]);
      expect(chunks.map((chunk) => chunk.length)).toEqual([0, 0, 0]);
    },
  );

  test("stops reading when the limit is exceeded, whatever Content-Length says", async () => {
    let pulled = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        pulled++;
        controller.enqueue(new Uint8Array(10));
      },
    });
    const request = new Request(url, { method: "POST", body, duplex: "half" } as RequestInit);
    expect(await reasonOf(read(request, 25))).toEqual({
      code: "image_too_large",
      unit: "bytes",
      measured: 30,
      limit: 25,
    });
    expect(pulled).toBeLessThanOrEqual(5);
  });

  test("refuses an announced length over the limit unread", async () => {
    const request = post([new Uint8Array(1)], { "Content-Length": "101" });
    expect(await reasonOf(read(request, 100))).toMatchObject({ measured: 101, limit: 100 });
    expect(request.bodyUsed).toBe(false);
  });

  test.each([[[]], [[new Uint8Array(0)]]])("reports an empty body", async (chunks) => {
    const bucket = new MemoryBucket();
    await seedTinyPack(bucket);
    const response = await new TinyApp(bucket).fetch(post(chunks));
    expect([response.status, await response.json()]).toEqual([
      400,
      expect.objectContaining({ code: "empty_body" }),
    ]);
    expect(await reasonOf(read(new Request(url, { method: "POST" }), 10))).toEqual({ code: "empty_body" });
  });

  test.each(["0", "5", "100000"])(
    "ignores a Content-Length of %s with Transfer-Encoding: chunked",
    async (length) => {
      const headers = { "Content-Length": length, "Transfer-Encoding": "chunked" };
      const source = requestSource(post([new Uint8Array(20)], headers), 100);
      expect(source.maxBytes).toBe(100);
      expect(await imageOf(source)).toHaveLength(20);
    },
  );

  test("reports a client that breaks off, not a short image", async () => {
    const request = post([new Uint8Array(7)], {}, new Error("Network connection lost."));
    expect(await reasonOf(read(request, 10))).toMatchObject({
      code: "body_interrupted",
      measured: 7,
      detail: "the connection was lost",
    });
  });
});

describe("problemResponse", () => {
  const reasons: { [C in ReasonCode]: { reason: Extract<Reason, { code: C }>; status: number } } = {
    empty_body: { reason: { code: "empty_body" }, status: 400 },
    invalid_parameter: {
      reason: { code: "invalid_parameter", parameter: "top_k", value: "x", expected: "an integer" },
      status: 400,
    },
    body_interrupted: {
      reason: { code: "body_interrupted", measured: 3, detail: "the connection was lost" },
      status: 400,
    },
    unauthorized: { reason: { code: "unauthorized", detail: "wrong" }, status: 401 },
    not_found: { reason: { code: "not_found", path: "/x" }, status: 404 },
    unknown_model: { reason: { code: "unknown_model", model: "vit", served: ["resnet34"] }, status: 404 },
    unknown_head: { reason: { code: "unknown_head", head: "pets" }, status: 404 },
    not_configured: {
      reason: { code: "not_configured", feature: "label a bucket", bindings: ["PICTURES"] },
      status: 404,
    },
    unknown_picture: { reason: { code: "unknown_picture", key: "a.jpg" }, status: 404 },
    api_keys_required: { reason: { code: "api_keys_required" }, status: 403 },
    features_missing: { reason: { code: "features_missing", key: "a.jpg" }, status: 409 },
    too_many_pictures: { reason: { code: "too_many_pictures", measured: 11, limit: 10 }, status: 409 },
    pictures_unavailable: {
      reason: { code: "pictures_unavailable", detail: "reading the object failed", retryAfterSeconds: 2 },
      status: 503,
    },
    head_mismatch: {
      reason: {
        ...{ code: "head_mismatch", head: "pets", retryAfterSeconds: 2 },
        ...{ backbones: ["resnet34/1"], live: "resnet34/2" },
      },
      status: 503,
    },
    head_unavailable: {
      reason: { code: "head_unavailable", head: "pets", detail: "no bucket", retryAfterSeconds: 2 },
      status: 503,
    },
    method_not_allowed: {
      reason: { code: "method_not_allowed", method: "PUT", allowed: ["GET"] },
      status: 405,
    },
    image_too_large: {
      reason: { code: "image_too_large", unit: "pixels", measured: 9, limit: 8 },
      status: 413,
    },
    unsupported_image: {
      reason: { code: "unsupported_image", detected: "a PNG", expected: "a JPEG" },
      status: 415,
    },
    image_undecodable: { reason: { code: "image_undecodable", detail: "it ends early" }, status: 422 },
    model_unavailable: {
      reason: { code: "model_unavailable", detail: "no bucket", retryAfterSeconds: 2 },
      status: 503,
    },
    conversion_unavailable: {
      reason: { code: "conversion_unavailable", detail: "the binding failed", retryAfterSeconds: 2 },
      status: 503,
    },
    overloaded: {
      reason: { code: "overloaded", detail: "4 wait", measured: 4, limit: 4, retryAfterSeconds: 2 },
      status: 503,
    },
    rate_limited: { reason: { code: "rate_limited", retryAfterSeconds: 60 }, status: 429 },
    misconfigured: {
      reason: { code: "misconfigured", variable: "MODEL_NAME", expected: "a name" },
      status: 503,
    },
    malformed_body: {
      reason: { code: "malformed_body", detail: "it is not JSON", expected: "JSON" },
      status: 400,
    },
    too_many_images: { reason: { code: "too_many_images", measured: 9, limit: 8 }, status: 413 },
    host_not_allowed: {
      reason: { code: "host_not_allowed", host: "a.example", variable: "ALLOWED_IMAGE_HOSTS", detail: "no" },
      status: 403,
    },
    image_unreachable: {
      reason: { code: "image_unreachable", detail: "a.example answers 404" },
      status: 422,
    },
    upstream_unavailable: {
      reason: { code: "upstream_unavailable", detail: "a.example answers 500", retryAfterSeconds: 2 },
      status: 503,
    },
    loop_detected: { reason: { code: "loop_detected" }, status: 508 },
    internal: { reason: { code: "internal" }, status: 500 },
  };

  test.each(Object.values(reasons))(
    "$reason.code is $status, as problem+json",
    async ({ reason, status }) => {
      const response = problemResponse(new Failure(reason), "id-1");
      expect(response.status).toBe(status);
      expect(response.headers.get("Content-Type")).toBe("application/problem+json");
      const body = (await response.json()) as Record<string, unknown>;
      expect(body).toMatchObject({
        type: "about:blank",
        status,
        code: reason.code,
        instance: "urn:request:id-1",
      });
      expect(String(body.detail).length).toBeGreaterThan(20);
      expect(response.headers.has("Retry-After")).toBe(status === 503 || status === 429);
      expect(response.headers.has("WWW-Authenticate")).toBe(status === 401);
      expect(response.headers.get("Allow")).toBe(status === 405 ? "GET" : null);
    },
  );

  test("an unexpected error is a 500 without its message or stack", async () => {
    const error = toClassifierError(new TypeError("secret at /srv/x.ts:1"));
    expect(await problemResponse(error, "id-2").text()).not.toMatch(/secret|srv|TypeError/);
    expect(error.cause).toBeInstanceOf(TypeError);
  });
});

test.each(["GET", "HEAD", "PUT", "POST", "DELETE"])(
  "%s of the reserved path of cache entries is 404, which no cache may store",
  async (method) => {
    const request = new Request(`https://classify.example.com/v1/cache/m/0123456789abcdef/x`, { method });
    const { status, headers } = await new TinyApp().fetch(request);
    expect([status, headers.get("Cache-Control")]).toEqual([404, "no-store"]);
  },
);

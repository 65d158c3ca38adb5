/** The errors that a caller can cause: status, content type, code and numbers. */
import { connect } from "node:net";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Answer, exampleImage, TestWorker } from "../support/worker.ts";

/**
 * workerd closes the connection of a request that it refuses unread, and a client that is still sending loses the answer.
 * A body of up to 200 kB is sent by then.
 */
const maxImageBytes = 140_000;
let worker: TestWorker;
let teapot: Uint8Array;

beforeAll(async () => {
  teapot = await exampleImage("teapot");
  worker = await TestWorker.start({ vars: { MAX_IMAGE_BYTES: maxImageBytes } });
});

afterAll(() => worker?.close());

function expectProblem(
  answer: Answer,
  status: number,
  code: string,
  members: Record<string, unknown> = {},
): void {
  expect(answer.headers.get("Content-Type")).toBe("application/problem+json");
  expect(answer.json).toMatchObject({ type: "about:blank", status, code, ...members });
  expect(answer.status).toBe(status);
  expect(answer.json.instance).toBe(`urn:request:${answer.headers.get("X-Request-Id")}`);
  expect(answer.text).not.toMatch(/\bat .*\.(ts|js):\d+/);
}

describe("the path", () => {
  test.each([
    "/v1",
    "/v1/classify/",
    "/v2/classify",
    "/%00",
    "/%ff%fe",
    "/..%2f..%2fetc/passwd",
    "//v1/model",
  ])("%s is 404", async (pathname) => {
    const answer = await worker.get(worker.url.origin + pathname);
    expectProblem(answer, 404, "not_found");
  });

  test.each([
    ["/v1/classify", "PUT", ["POST", "GET", "HEAD"]],
    ["/v1/classify", "DELETE", ["POST", "GET", "HEAD"]],
    ["/v1/model", "POST", ["GET", "HEAD"]],
    ["/v1/labels", "PUT", ["GET", "HEAD"]],
    ["/readyz", "POST", ["GET", "HEAD"]],
    ["/healthz", "PATCH", ["GET", "HEAD"]],
  ])("%s with %s is 405, and Allow lists %j", async (pathname, method, allowed) => {
    const answer = await worker.get(pathname, { method });
    expectProblem(answer, 405, "method_not_allowed", { allowed });
    expect(answer.headers.get("Allow")).toBe(allowed.join(", "));
  });
});

describe("top_k", () => {
  test.each(["0", "-1", "1.5", "five", "", "1e1", "%00", "999999999999999999999"])(
    "%s is 400",
    async (value) => {
      expectProblem(await worker.classify(teapot, `?top_k=${value}`), 400, "invalid_parameter", {
        parameter: "top_k",
      });
    },
  );

  test("beyond the number of classes is 400 with both numbers", async () => {
    const answer = await worker.classify(teapot, "?top_k=201");
    expectProblem(answer, 400, "invalid_parameter", { parameter: "top_k", measured: 201, limit: 200 });
    expect(answer.json.detail).toContain("1 to 200");
  });
});

describe("the body", () => {
  test("missing or empty is 400", async () => {
    expectProblem(await worker.get("/v1/classify", { method: "POST" }), 400, "empty_body");
    expectProblem(await worker.classify(new Uint8Array(0)), 400, "empty_body");
  });

  test("over the limit by its announced length is 413 with both numbers", async () => {
    const answer = await worker.classify(new Uint8Array(maxImageBytes + 1));
    expectProblem(answer, 413, "image_too_large", {
      unit: "bytes",
      measured: maxImageBytes + 1,
      limit: maxImageBytes,
    });
    expect(answer.json.detail).toContain(String(maxImageBytes + 1));
    expect(answer.json.detail).toContain(String(maxImageBytes));
  });

  test("over the limit without a length is 413 before its end", async () => {
    const chunk = new Uint8Array(32 * 1024);
    let sent = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        sent += chunk.length;
        if (sent > 1.4 * maxImageBytes) controller.close();
        else controller.enqueue(chunk);
      },
    });
    const init = { method: "POST", body, duplex: "half" } as RequestInit;
    const answer = await worker.get("/v1/classify", init);
    expectProblem(answer, 413, "image_too_large", { unit: "bytes", limit: maxImageBytes });
    expect(answer.json.measured).toBeGreaterThan(maxImageBytes);
    expect(answer.json.measured).toBeLessThan(2 * maxImageBytes);
  });

  test("of exactly the limit is read", async () => {
    const padded = new Uint8Array(maxImageBytes);
    padded.set(teapot);
    expect((await worker.classify(padded)).status).toBe(200);
  });

  test.each([
    [
      "AVIF",
      () =>
        sharp({ create: { width: 9, height: 9, channels: 3, background: "red" } })
          .avif()
          .toBuffer(),
    ],
    [
      "TIFF",
      () =>
        sharp({ create: { width: 9, height: 9, channels: 3, background: "red" } })
          .tiff()
          .toBuffer(),
    ],
    ["text", async () => Buffer.from("not an image")],
    ["unknown", async () => Buffer.from([0, 1, 2, 3])],
  ])("of a format that the Worker does not read (%s) is 415 with the detected type", async (name, make) => {
    const answer = await worker.classify(await make());
    expectProblem(answer, 415, "unsupported_image", { expected: expect.stringContaining("JPEG") });
    expect(answer.json.detected).toContain(name);
  });

  test("with a truncated PNG is 422", async () => {
    const png = new Uint8Array(await sharp(teapot).resize(100).png().toBuffer());
    for (const bytes of [4, 20, 200, png.length >> 1, png.length - 1]) {
      expectProblem(await worker.classify(png.slice(0, bytes)), 422, "image_undecodable");
    }
  });

  test("with a truncated JPEG is 422", async () => {
    for (const bytes of [3, 20, 200, teapot.length >> 1, teapot.length - 100]) {
      expectProblem(await worker.classify(teapot.slice(0, bytes)), 422, "image_undecodable");
    }
  });

  test("with more pixels than the limit is 413 with both numbers, from the header alone", async () => {
    const huge = teapot.slice();
    const sof = huge.findIndex((byte, i) => byte === 0xff && huge[i + 1] === 0xc0);
    huge.fill(0xff, sof + 5, sof + 9);
    expectProblem(await worker.classify(huge), 413, "image_too_large", {
      unit: "pixels",
      measured: 65_535 * 65_535,
      limit: 50_000_000,
    });
  });

  test("that breaks off has no effect on the next request", async () => {
    await new Promise<void>((resolve, reject) => {
      const socket = connect(Number(worker.url.port), worker.url.hostname, () => {
        socket.write(
          `POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${teapot.length}\r\n\r\n`,
        );
        socket.write(teapot.slice(0, 1000));
        setTimeout(() => socket.destroy(), 100);
      });
      socket.once("close", () => resolve());
      socket.once("error", reject);
    });
    expect((await worker.classify(teapot)).status).toBe(200);
  });
});

test("an image from /cdn/ without an image origin is a 403 that names the variable", async () => {
  const answer = await worker.get("/cdn/a.jpg");
  expectProblem(answer, 403, "host_not_allowed", { variable: "IMAGE_ORIGIN" });
});

test("an invalid variable is a 503 that names it, and /healthz still answers", async () => {
  const broken = await TestWorker.start({ vars: { MAX_IMAGE_BYTES: "16MiB" }, seeded: false });
  try {
    const answer = await broken.classify(teapot);
    expectProblem(answer, 503, "misconfigured", { variable: "MAX_IMAGE_BYTES" });
    expect(answer.headers.get("Retry-After")).toMatch(/^\d+$/);
    expect((await broken.get("/healthz")).status).toBe(200);
  } finally {
    await broken.close();
  }
});

/** classifyImages with a fake classifier. test/worker/middleware.test.ts uses the real one. */
import { Hono } from "hono";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { classifyImages as classifyImagesInHono } from "../../src/middleware/hono.ts";
import {
  type ClassifierStub,
  type ClassifyImagesOptions,
  classifyImages,
} from "../../src/middleware/middleware.ts";
import type { Classification, Failed } from "../../src/rpc/contract.ts";
import { never } from "../support/deferred.ts";
import { imageFiles, latin1, otherFiles } from "../support/image-files.ts";

const jpeg = Uint8Array.of(0xff, 0xd8, 0xff, 0xd9);
let asked: { bytes: Uint8Array; topK: number | undefined; head: string | undefined }[];
let answer: () => Promise<Classification | Failed>;
const classifier: ClassifierStub = {
  classify: (bytes, options) => {
    asked.push({ bytes: new Uint8Array(bytes as Uint8Array), topK: options?.topK, head: options?.head });
    return answer();
  },
};

function classification(label: string, score = 0.9): Classification {
  return {
    ok: true,
    model: { name: "m", version: "0" },
    image: { sha256: "", width: 1, height: 1 },
    predictions: [{ label, score, index: 0, id: "n1" }],
  };
}

beforeEach(() => {
  asked = [];
  answer = async () => classification("teapot");
  vi.spyOn(console, "error").mockImplementation(() => {});
});

afterEach(() => vi.restoreAllMocks());

type Options = Omit<ClassifyImagesOptions, "classifier">;
const image = (headers: Record<string, string> = {}, status = 200) =>
  new Response(jpeg, { status, headers: { "Content-Type": "image/jpeg", ETag: '"1"', ...headers } });

/** Sends a response through the plain handler and through Hono, which must give the same result. */
async function through(options: Options, respond: () => Response, init: RequestInit = {}) {
  const request = () => new Request("http://localhost/a.jpg", init);
  const plain = await classifyImages({ classifier, ...options })(async () => respond())(request(), {}, {});
  const app = new Hono().use(classifyImagesInHono({ classifier, ...options })).all("*", () => respond());
  const hono = await app.fetch(request());
  const [a, b] = await Promise.all([plain, hono].map(snapshot));
  expect(b).toEqual(a);
  return a!;
}

async function snapshot(response: Response) {
  const body = new Uint8Array(await response.arrayBuffer());
  const headers = Object.fromEntries(response.headers);
  return { status: response.status, headers, body, text: new TextDecoder().decode(body) };
}

describe("an image", () => {
  test("passes byte for byte, with its headers and its label", async () => {
    const { status, headers, body } = await through({}, image);
    expect([status, body]).toEqual([200, jpeg]);
    expect(headers).toMatchObject({ etag: '"1"', "x-image-label": "teapot", "x-image-score": "0.900000" });
    expect(asked.map(({ bytes }) => bytes)).toEqual([jpeg, jpeg]);
  });

  test.each(["image/png", "image/webp", "IMAGE/gif; a=b"])("of type %s is classified", async (type) => {
    const { headers } = await through({}, () => image({ "Content-Type": type }));
    expect(headers["x-image-label"]).toBe("teapot");
  });

  test("gets no label with annotate false; topK and head reach the classifier", async () => {
    const { headers } = await through({ annotate: false, topK: 3, head: "pets" }, image);
    expect(headers).not.toHaveProperty("x-image-label");
    expect(asked[0]).toMatchObject({ topK: 3, head: "pets" });
  });

  test.each([
    ["evil\r\nSet-Cookie: a=b", "evil%0D%0ASet-Cookie%3A%20a%3Db"],
    ["Zürich 100% \u0000", "Z%C3%BCrich%20100%25%20%00"],
    ["\ud800 lone", "%EF%BF%BD%20lone"],
    ["x".repeat(1000), "x".repeat(200)],
  ])("label %j is safe in a header", async (label, expected) => {
    answer = async () => classification(label);
    const { headers } = await through({}, image);
    expect(headers["x-image-label"]).toBe(expected);
    expect(headers).not.toHaveProperty("set-cookie");
  });

  test("loses label headers that the app itself has set", async () => {
    answer = async () => ({ ok: false, error: { code: "overloaded", status: 503, detail: "" } });
    const { headers } = await through({}, () => image({ "X-Image-Label": "forged", "X-Image-Score": "1" }));
    expect(headers).not.toHaveProperty("x-image-label");
    expect(headers["x-image-classify-error"]).toBe("overloaded");
  });
});

const snapshots = (response: () => Response, options: Options = {}, init: RequestInit = {}) =>
  Promise.all([through(options, response, init), snapshot(response())]);

describe("a response that is not classified", () => {
  test.each([
    ["text", () => new Response("hello"), {}],
    ["an error", () => image({}, 404), {}],
    ["an answer without a body", () => new Response(null, { status: 204 }), {}],
    ["HEAD", () => new Response(null, { headers: { "Content-Type": "image/jpeg" } }), { method: "HEAD" }],
  ] as const)("%s passes unchanged with onError open", async (_, respond, init) => {
    const [passed, original] = await snapshots(respond, {}, init);
    expect(passed).toEqual(original);
    expect(asked).toEqual([]);
  });

  test("is classified if match selects it", async () => {
    const match = (request: Request) => request.url.endsWith(".jpg");
    await through({ match }, () => image({ "Content-Type": "application/octet-stream" }));
    expect(asked).toHaveLength(2);
  });
});

describe("with onError closed", () => {
  const closed = { onError: "closed" } as const;
  const respond = (bytes: Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}, status = 200) => {
    return () => {
      const response = new Response(bytes, { status, headers });
      if (!("Content-Type" in headers)) response.headers.delete("Content-Type");
      return response;
    };
  };
  const types = { right: "image/png", wrong: "application/octet-stream", false: "text/html" };
  const classified = { "x-image-label": "teapot" };

  describe.each(Object.entries(imageFiles))("%s", (_, bytes) => {
    test.each(Object.entries(types))("with a %s type (%s) is classified", async (_, type) => {
      expect((await through(closed, respond(bytes, { "Content-Type": type }))).headers).toMatchObject(
        classified,
      );
      expect(asked[0]?.bytes).toEqual(bytes);
    });

    test("without a type, in an error, in chunks, is classified", async () => {
      expect((await through(closed, respond(bytes))).headers).toMatchObject(classified);
      const error = await through(closed, respond(bytes, {}, 404));
      expect([error.status, error.headers["x-image-label"]]).toEqual([404, "teapot"]);
      const pieces = () =>
        new Response(
          new ReadableStream({
            start(controller) {
              for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
              controller.close();
            },
          }),
        );
      expect(await through(closed, pieces)).toMatchObject({ headers: classified, body: bytes });
    });

    test("is withheld if the classifier refuses it or if it is partial", async () => {
      answer = async () => ({ ok: false, error: { code: "unsupported_image", status: 415, detail: "" } });
      const refused = await through(closed, respond(bytes));
      expect([refused.status, JSON.parse(refused.text).reason]).toEqual([503, "unsupported_image"]);
      const part = await through(closed, respond(bytes, { "Content-Range": "bytes 0-9/99" }, 206));
      expect([part.status, JSON.parse(part.text).reason]).toEqual([503, "partial_content"]);
    });

    test("passes with onError open unless its type is JPEG", async () => {
      const make = respond(bytes, { "Content-Type": "application/octet-stream" });
      const [passed, original] = await snapshots(make);
      expect(passed).toEqual(original);
    });
  });

  describe.each(Object.entries(otherFiles))("%s", (_, bytes) => {
    test.each(["text/html", "application/octet-stream", undefined])(
      "of type %s passes unchanged",
      async (type) => {
        const headers = type === undefined ? {} : { "Content-Type": type };
        for (const status of [200, 404, 500]) {
          const [passed, original] = await snapshots(respond(bytes, headers, status), closed);
          expect(passed).toEqual(original);
        }
        expect(asked).toEqual([]);
      },
    );

    test.each(["image/jpeg", "image/svg+xml", "IMAGE/x-icon; a=b", "text/html, image/png"])(
      "with the type %s goes to the classifier",
      async (type) => {
        await through(closed, respond(bytes, { "Content-Type": type }));
        expect(asked).toHaveLength(2);
      },
    );
  });

  test.each([
    ["the first bytes of text", "hello", { "Content-Range": "bytes 0-4/9" }, 206],
    ["bytes of anything from the middle", "hello", { "Content-Range": "bytes 1-5/9" }, 503],
    ["several parts", "--x\r\n", { "Content-Type": "multipart/byteranges; boundary=x" }, 503],
    ["a part without Content-Range", "hello", {}, 503],
  ])("206, %s: %o gives %i", async (_, text, headers, status) => {
    const { status: given } = await through(
      closed,
      respond(latin1(text), headers as Record<string, string>, 206),
    );
    expect(given).toBe(status);
    expect(asked).toEqual([]);
  });

  test("responses to HEAD, 304 responses and empty bodies pass", async () => {
    const empty = respond(new Uint8Array(0), { "Content-Type": "text/html" });
    expect(await through(closed, empty)).toMatchObject({ status: 200, text: "" });
    const type = { headers: { "Content-Type": "image/jpeg" } };
    expect(await through(closed, () => new Response(null, { status: 304, ...type }))).toMatchObject({
      status: 304,
    });
    const head = await through(closed, () => new Response(null, type), { method: "HEAD" });
    expect([head.status, head.headers["content-type"]]).toEqual([200, "image/jpeg"]);
    expect(asked).toEqual([]);
  });

  test("an empty body with an image type goes to the classifier", async () => {
    answer = async () => ({ ok: false, error: { code: "empty_body", status: 400, detail: "" } });
    const { text } = await through(closed, respond(new Uint8Array(0), { "Content-Type": "image/jpeg" }));
    expect(JSON.parse(text)).toMatchObject({ status: 503, reason: "empty_body" });
  });

  test.each([
    ["identity", "\0asm", 200],
    ["gzip", "<p>decoded by the runtime", 200],
    ["br", "body { color: red }", 200],
    ["gzip", "\x1f\x8b\x08\0\0\0\0\0", 503],
    ["br", "\x0b\x03\x80\xff\xd8", 503],
    ["deflate", "looks like text", 503],
    ["zstd", "(\xb5/\xfd", 503],
    ["gzip, br", "looks like text", 503],
  ])("Content-Encoding %s of %j: %i, and nothing is classified", async (encoding, text, status) => {
    const make = respond(latin1(text), { "Content-Encoding": encoding, "Content-Type": "text/html" });
    const { status: given, text: body } = await through(closed, make);
    expect([given, asked]).toEqual([status, []]);
    if (status === 503) expect(JSON.parse(body).reason).toBe("content_encoding");
  });

  test("an image that the runtime has decompressed is classified", async () => {
    const { headers } = await through(closed, respond(imageFiles.JPEG!, { "Content-Encoding": "gzip" }));
    expect(headers).toMatchObject(classified);
  });

  test("an endless XML prolog counts as an image, because its root may be svg", async () => {
    answer = async () => ({ ok: false, error: { code: "unsupported_image", status: 415, detail: "" } });
    const endless = latin1(`<!-- ${" ".repeat(10_000)} --><svg/>`);
    expect((await through(closed, respond(endless))).status).toBe(503);
    const html = latin1(`<!doctype html><!-- ${" ".repeat(10_000)} --><svg/>`);
    expect((await through(closed, respond(html))).body).toEqual(html);
  });

  test("a stream that is not an image passes chunk by chunk", async () => {
    let send = (_: string) => {};
    const events = new ReadableStream<Uint8Array>({
      start: (controller) => {
        send = (text) => controller.enqueue(new TextEncoder().encode(text));
      },
    });
    const handler = classifyImages({ classifier, ...closed })(() => new Response(events));
    send("data: 1\n\n");
    const { body } = await handler(new Request("http://localhost/"), {}, {});
    const reader = body!.getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toBe("data: 1\n\n");
    send("data: 2\n\n");
    expect(new TextDecoder().decode((await reader.read()).value)).toBe("data: 2\n\n");
  });

  test("match adds responses to classify and exempts none", async () => {
    const match = (request: Request) => request.url.endsWith(".jpg");
    await through({ ...closed, match }, () => new Response("hello"));
    expect(asked).toHaveLength(2);
    asked = [];
    await through({ ...closed, match: () => false }, image);
    expect(asked).toHaveLength(2);
  });
});

describe("an image that cannot be classified", () => {
  const failures: [string, () => typeof answer | undefined, Options, () => Response][] = [
    [
      "overloaded",
      () => async () => ({ ok: false, error: { code: "overloaded", status: 503, detail: "" } }),
      {},
      image,
    ],
    ["classifier_unavailable", () => async () => Promise.reject(new Error("gone")), {}, image],
    [
      "classifier_unavailable",
      () => () => {
        throw new Error("at once");
      },
      {},
      image,
    ],
    ["classifier_timeout", () => () => never(), { timeoutMs: 10 }, image],
    ["policy_failed", () => undefined, { policy: () => Promise.reject(new Error("bug")) }, image],
    ["partial_content", () => undefined, {}, () => image({ "Content-Range": "bytes 0-3/9" }, 206)],
    ["image_too_large", () => undefined, { maxBytes: 3 }, image],
    ["image_too_large", () => undefined, { maxBytes: 99 }, () => image({ "Content-Length": "100" })],
  ];

  test.each(failures)(
    "passes with onError open and a header with the reason %s",
    async (code, failing, options, respond) => {
      answer = failing() ?? answer;
      const { status, headers, body } = await through(options, respond);
      expect([status, body]).toEqual([respond().status, jpeg]);
      expect(headers["x-image-classify-error"]).toBe(code);
      expect(headers).not.toHaveProperty("x-image-label");
    },
  );

  test.each(failures)(
    "is withheld with onError closed and the reason %s",
    async (code, failing, options, respond) => {
      answer = failing() ?? answer;
      const { status, headers, text } = await through({ ...options, onError: "closed" }, respond);
      expect(status).toBe(503);
      expect(JSON.parse(text)).toMatchObject({ status: 503, code: "image_withheld", reason: code });
      expect(headers).toMatchObject({
        "content-type": "application/problem+json",
        "cache-control": "no-store",
      });
      expect(headers).not.toHaveProperty("etag");
    },
  );
});

describe("a stream", () => {
  function streamed(chunks: number, each: number, failAt = Number.POSITIVE_INFINITY) {
    const seen = { pulled: 0, cancelled: false };
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          if (seen.pulled === failAt) return controller.error(new Error("origin broke off"));
          if (seen.pulled++ === chunks) return controller.close();
          controller.enqueue(new Uint8Array(each).fill(seen.pulled));
        },
        cancel() {
          seen.cancelled = true;
        },
      },
      { highWaterMark: 0 },
    );
    const response = new Response(body, { headers: { "Content-Type": "image/jpeg" } });
    return { seen, response };
  }
  const handle = (options: Options, response: Response) =>
    classifyImages({ classifier, ...options })(() => response)(new Request("http://localhost/"), {}, {});

  test("of exactly maxBytes is classified", async () => {
    const response = await handle({ maxBytes: 40 }, streamed(4, 10).response);
    expect(response.headers.get("X-Image-Label")).toBe("teapot");
    expect(asked[0]?.bytes).toHaveLength(40);
  });

  test("over maxBytes is buffered only up to there and arrives complete", async () => {
    const { seen, response } = streamed(1000, 10);
    const answered = await handle({ maxBytes: 40 }, response);
    expect(seen.pulled).toBe(5);
    const body = new Uint8Array(await answered.arrayBuffer());
    expect(body).toHaveLength(10_000);
    expect([body[0], body[45], body[9_999]]).toEqual([1, 5, 1000 % 256]);
    expect(asked).toEqual([]);
  });

  test("is cancelled at its source if the client cancels it or the middleware withholds it", async () => {
    const first = streamed(1000, 10);
    await (await handle({ maxBytes: 40 }, first.response)).body?.cancel();
    const second = streamed(1000, 10);
    await handle({ maxBytes: 40, onError: "closed" }, second.response);
    expect([first.seen.cancelled, second.seen.cancelled]).toEqual([true, true]);
    expect(second.seen.pulled).toBe(5);
  });

  test("that fails delivers what was read, then fails", async () => {
    const answered = await handle({}, streamed(1000, 10, 3).response);
    expect(answered.headers.get("X-Image-Classify-Error")).toBe("image_interrupted");
    await expect(answered.arrayBuffer()).rejects.toThrow(/broke off/);
  });
});

describe("a policy", () => {
  test("receives predictions, request and image, and can rewrite the response", async () => {
    const { status, headers, text } = await through(
      {
        policy: async ([best], request, response) =>
          new Response(
            `${best?.label} at ${new URL(request.url).pathname}, ${(await response.blob()).size} bytes`,
            {
              status: 203,
              headers: { "X-Seen": response.headers.get("X-Image-Label") ?? "" },
            },
          ),
      },
      image,
    );
    expect([status, text, headers["x-seen"]]).toEqual([203, "teapot at /a.jpg, 4 bytes", "teapot"]);
    expect(headers).not.toHaveProperty("etag");
  });

  test("can redirect", async () => {
    const policy = () => new Response(null, { status: 302, headers: { Location: "/placeholder.jpg" } });
    expect(await through({ policy }, image)).toMatchObject({
      status: 302,
      headers: { location: "/placeholder.jpg" },
    });
  });

  test("that reads the image and lets it through does not consume it", async () => {
    const policy = async (_: unknown, __: unknown, response: Response) => void (await response.arrayBuffer());
    expect((await through({ policy: policy as never }, image)).body).toEqual(jpeg);
  });
});

test.each([{ maxBytes: 0 }, { maxBytes: 1.5 }, { maxBytes: Number.NaN }, { timeoutMs: -1 }])(
  "the option %j is refused at once",
  (options) => {
    expect(() => classifyImages({ classifier, ...options })).toThrow(RangeError);
  },
);

test("the classifier can come from env", async () => {
  const handler = classifyImages({ classifier: (env: { CLASSIFIER: ClassifierStub }) => env.CLASSIFIER })(
    () => image(),
  );
  const response = await handler(new Request("http://localhost/"), { CLASSIFIER: classifier }, {});
  expect(response.headers.get("X-Image-Label")).toBe("teapot");
});

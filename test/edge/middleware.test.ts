/** classifyImages on a classifier that is told what to answer. test/worker/middleware.test.ts has the real one. */
import { Hono } from "hono";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Classification, Failed } from "../../src/edge/contract.ts";
import { classifyImages as classifyImagesInHono } from "../../src/edge/hono.ts";
import {
  type ClassifierStub,
  type ClassifyImagesOptions,
  classifyImages,
} from "../../src/edge/middleware.ts";
import { never } from "../support/deferred.ts";

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
  answer = async () => classification("ship");
  vi.spyOn(console, "error").mockImplementation(() => {});
});

afterEach(() => vi.restoreAllMocks());

type Options = Omit<ClassifyImagesOptions, "classifier">;
const image = (headers: Record<string, string> = {}, status = 200) =>
  new Response(jpeg, { status, headers: { "Content-Type": "image/jpeg", ETag: '"1"', ...headers } });

/** Through the plain handler and through Hono: they must do the same. */
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
  test("goes out byte for byte, with its headers and what it shows", async () => {
    const { status, headers, body } = await through({}, image);
    expect([status, body]).toEqual([200, jpeg]);
    expect(headers).toMatchObject({ etag: '"1"', "x-image-label": "ship", "x-image-score": "0.9000" });
    expect(asked.map(({ bytes }) => bytes)).toEqual([jpeg, jpeg]);
  });

  test("annotate false leaves it bare, and topK and head are handed on", async () => {
    const { headers } = await through({ annotate: false, topK: 3, head: "pets" }, image);
    expect(headers).not.toHaveProperty("x-image-label");
    expect(asked[0]).toMatchObject({ topK: 3, head: "pets" });
  });

  test.each([
    ["evil\r\nSet-Cookie: a=b", "evil%0D%0ASet-Cookie: a=b"],
    ["Zürich 100% \u0000", "Z%C3%BCrich 100%25 %00"],
    ["\ud800 lone", "%EF%BF%BD lone"],
    ["x".repeat(1000), "x".repeat(200)],
  ])("label %j is harmless in a header", async (label, expected) => {
    answer = async () => classification(label);
    const { headers } = await through({}, image);
    expect(headers["x-image-label"]).toBe(expected);
    expect(headers).not.toHaveProperty("set-cookie");
  });

  test("what the app itself says of labels is not believed", async () => {
    answer = async () => ({ ok: false, error: { code: "overloaded", status: 503, detail: "" } });
    const { headers } = await through({}, () => image({ "X-Image-Label": "forged", "X-Image-Score": "1" }));
    expect(headers).not.toHaveProperty("x-image-label");
    expect(headers["x-image-classify-error"]).toBe("overloaded");
  });
});

describe("what is not classified", () => {
  test.each([
    ["text", () => new Response("hello"), {}],
    ["PNG", () => image({ "Content-Type": "image/png" }), {}],
    ["an error", () => image({}, 404), {}],
    ["an answer without a body", () => new Response(null, { status: 204 }), {}],
    ["HEAD", () => new Response(null, { headers: { "Content-Type": "image/jpeg" } }), { method: "HEAD" }],
  ])("%s passes as it is, even where the middleware is closed", async (_, respond, init) => {
    const { headers, status } = await through({ onError: "closed" }, respond as () => Response, init);
    expect(status).toBe((respond as () => Response)().status);
    expect(Object.keys(headers).filter((name) => name.startsWith("x-image"))).toEqual([]);
    expect(asked).toEqual([]);
  });

  test("match chooses otherwise", async () => {
    const match = (request: Request) => request.url.endsWith(".jpg");
    await through({ match }, () => image({ "Content-Type": "application/octet-stream" }));
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
    "%s, open: it flows, and a header says why",
    async (code, failing, options, respond) => {
      answer = failing() ?? answer;
      const { status, headers, body } = await through(options, respond);
      expect([status, body]).toEqual([respond().status, jpeg]);
      expect(headers["x-image-classify-error"]).toBe(code);
      expect(headers).not.toHaveProperty("x-image-label");
    },
  );

  test.each(failures)("%s, closed: it is withheld", async (code, failing, options, respond) => {
    answer = failing() ?? answer;
    const { status, headers, text } = await through({ ...options, onError: "closed" }, respond);
    expect(status).toBe(503);
    expect(JSON.parse(text)).toMatchObject({ status: 503, code: "image_withheld", reason: code });
    expect(headers).toMatchObject({
      "content-type": "application/problem+json",
      "cache-control": "no-store",
    });
    expect(headers).not.toHaveProperty("etag");
  });
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

  test("of just maxBytes is classified whole", async () => {
    const response = await handle({ maxBytes: 40 }, streamed(4, 10).response);
    expect(response.headers.get("X-Image-Label")).toBe("ship");
    expect(asked[0]?.bytes).toHaveLength(40);
  });

  test("over maxBytes is read no further than that before it flows on, and arrives whole", async () => {
    const { seen, response } = streamed(1000, 10);
    const answered = await handle({ maxBytes: 40 }, response);
    expect(seen.pulled).toBe(5);
    const body = new Uint8Array(await answered.arrayBuffer());
    expect(body).toHaveLength(10_000);
    expect([body[0], body[45], body[9_999]]).toEqual([1, 5, 1000 % 256]);
    expect(asked).toEqual([]);
  });

  test("that the client gives up is given up at its source; so is one withheld", async () => {
    const first = streamed(1000, 10);
    await (await handle({ maxBytes: 40 }, first.response)).body?.cancel();
    const second = streamed(1000, 10);
    await handle({ maxBytes: 40, onError: "closed" }, second.response);
    expect([first.seen.cancelled, second.seen.cancelled]).toEqual([true, true]);
    expect(second.seen.pulled).toBe(5);
  });

  test("that breaks off gives what came, then breaks off", async () => {
    const answered = await handle({}, streamed(1000, 10, 3).response);
    expect(answered.headers.get("X-Image-Classify-Error")).toBe("image_interrupted");
    await expect(answered.arrayBuffer()).rejects.toThrow(/broke off/);
  });
});

describe("a policy", () => {
  test("sees predictions, request and the image, and may rewrite it", async () => {
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
    expect([status, text, headers["x-seen"]]).toEqual([203, "ship at /a.jpg, 4 bytes", "ship"]);
    expect(headers).not.toHaveProperty("etag");
  });

  test("may redirect", async () => {
    const policy = () => new Response(null, { status: 302, headers: { Location: "/placeholder.jpg" } });
    expect(await through({ policy }, image)).toMatchObject({
      status: 302,
      headers: { location: "/placeholder.jpg" },
    });
  });

  test("that reads the image and lets it through does not use it up", async () => {
    const policy = async (_: unknown, __: unknown, response: Response) => void (await response.arrayBuffer());
    expect((await through({ policy: policy as never }, image)).body).toEqual(jpeg);
  });
});

test.each([{ maxBytes: 0 }, { maxBytes: 1.5 }, { maxBytes: Number.NaN }, { timeoutMs: -1 }])(
  "%j is refused at once",
  (options) => {
    expect(() => classifyImages({ classifier, ...options })).toThrow(RangeError);
  },
);

test("the classifier may be found in env", async () => {
  const handler = classifyImages({ classifier: (env: { CLASSIFIER: ClassifierStub }) => env.CLASSIFIER })(
    () => image(),
  );
  const response = await handler(new Request("http://localhost/"), { CLASSIFIER: classifier }, {});
  expect(response.headers.get("X-Image-Label")).toBe("ship");
});

/** Images by URL: what may be fetched, hostile servers, and repeated requests. */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Origin } from "../support/origin.ts";
import { type Answer, exampleImage, TestWorker } from "../support/worker.ts";

const maxImageBytes = 1_000_000;
let worker: TestWorker;
let origin: Origin;
let teapot: Uint8Array;
let ladybug: Uint8Array;

beforeAll(async () => {
  [teapot, ladybug] = await Promise.all([exampleImage("teapot"), exampleImage("ladybug")]);
  origin = await Origin.start();
  worker = await TestWorker.start({
    vars: {
      MAX_IMAGE_BYTES: maxImageBytes,
      ALLOWED_IMAGE_HOSTS: `${origin.host}, images.example.com, *.example.org`,
    },
  });
  expect((await worker.classify(ladybug)).status).toBe(200);
});

afterAll(async () => {
  await worker?.close();
  await origin?.close();
});

const byUrl = (url: string, query = "", init: RequestInit = {}) =>
  worker.get(`/v1/classify?url=${encodeURIComponent(url)}${query}`, init);
const codeOf = ({ status, json }: Answer) => [status, json.code];

describe("an image by URL", () => {
  test("gets the same body as its bytes, by GET and by JSON", async () => {
    origin.image("/teapot.jpg", teapot);
    const raw = await worker.classify(teapot, "?top_k=2");
    const get = await byUrl(origin.url("/teapot.jpg"), "&top_k=2");
    const body = JSON.stringify({ url: origin.url("/teapot.jpg") });
    const post = await worker.classify(body, "?top_k=2", { "Content-Type": "application/json" });
    expect([get.status, get.text]).toEqual([200, raw.text]);
    expect([post.status, post.text]).toEqual([200, raw.text]);
    expect(post.headers.get("ETag")).toBeNull();
  });

  test("is recognised by its bytes, whatever type its server sends", async () => {
    origin.on("/text", (_, response) => response.writeHead(200, { "Content-Type": "text/html" }).end(teapot));
    expect((await byUrl(origin.url("/text"))).status).toBe(200);
    origin.on("/html", (_, response) =>
      response.writeHead(200, { "Content-Type": "image/jpeg" }).end("<html>sign in</html>"),
    );
    const html = await byUrl(origin.url("/html"));
    expect(html.status).toBe(415);
    expect(html.json).toMatchObject({ code: "unsupported_image", detected: "HTML or XML text" });
  });

  test("is requested with a Via that names the Worker, which refuses a request that has it already", async () => {
    await byUrl(origin.url("/teapot.jpg"));
    const via = origin.requests.at(-1)?.headers.via;
    expect(via).toMatch(/edge-resnet/);
    const looped = await byUrl(origin.url("/teapot.jpg"), "", { headers: { Via: `1.1 other, ${via}` } });
    expect(codeOf(looped)).toEqual([508, "loop_detected"]);
  });
});

describe("a URL that is not allowed", () => {
  test.each([
    "https://example.com/a.jpg",
    "https://images.example.com.evil.test/",
    "https://example.org/",
    "https://evilexample.org/",
    "https://images.example.com:8443/",
    "https://images.example.com./",
    "https://user:secret@images.example.com/",
    "http://images.example.com/",
    "ftp://images.example.com/",
    "file:///etc/passwd",
    "data:image/jpeg;base64,/9j/",
    "http://127.0.0.1/",
    "http://localhost/",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0177.0.0.1/",
    "https://169.254.169.254/latest/meta-data",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[fd00::1]/",
    "https://%31%32%37.0.0.1/",
    "https://１２７.0.0.1/",
  ])("%s is 403 and names the variable", async (url) => {
    const before = origin.requests.length;
    const answer = await byUrl(url);
    expect(codeOf(answer)).toEqual([403, "host_not_allowed"]);
    expect(answer.json.variable).toBe("ALLOWED_IMAGE_HOSTS");
    expect(answer.text).not.toContain("secret");
    expect(origin.requests.length).toBe(before);
  });

  test.each([
    "",
    "teapot.jpg",
    "//images.example.com/",
    "https://",
    "https://[::1/",
    `https://x/${"x".repeat(2048)}`,
  ])("%s is not a URL: 400", async (url) => {
    expect(codeOf(await byUrl(url))).toEqual([400, "invalid_parameter"]);
  });

  test("a missing URL is 400", async () => {
    expect(codeOf(await worker.get("/v1/classify"))).toEqual([400, "invalid_parameter"]);
  });
});

describe("a redirect", () => {
  const redirect = (from: string, to: string) =>
    origin.on(from, (_, response) => response.writeHead(302, { Location: to }).end());

  test("is followed three times, not four", async () => {
    origin.image("/end", teapot);
    for (let i = 1; i <= 4; i++) redirect(`/hop${i}`, i === 1 ? "/end" : `/hop${i - 1}`);
    expect((await byUrl(origin.url("/hop3"))).status).toBe(200);
    expect(codeOf(await byUrl(origin.url("/hop4")))).toEqual([422, "image_unreachable"]);
  });

  test("in a circle ends", async () => {
    redirect("/round", "/round");
    expect(codeOf(await byUrl(origin.url("/round")))).toEqual([422, "image_unreachable"]);
  });

  test.each([
    "http://169.254.169.254/latest/meta-data",
    "http://2130706433/",
    "https://example.com/",
    "http://user@images.example.com/",
    "file:///etc/passwd",
  ])("to %s is not followed: 403", async (to) => {
    redirect("/away", to);
    expect(codeOf(await byUrl(origin.url("/away")))).toEqual([403, "host_not_allowed"]);
  });
});

describe("a server", () => {
  test.each([
    [404, 422, "image_unreachable"],
    [403, 422, "image_unreachable"],
    [206, 422, "image_unreachable"],
    [304, 422, "image_unreachable"],
    [429, 503, "upstream_unavailable"],
    [500, 503, "upstream_unavailable"],
    [503, 503, "upstream_unavailable"],
  ])("that answers %i gives %i", async (theirs, ours, code) => {
    origin.on("/status", (_, response) => response.writeHead(theirs).end());
    const answer = await byUrl(origin.url("/status"));
    expect(codeOf(answer)).toEqual([ours, code]);
    expect(answer.headers.has("Retry-After")).toBe(ours === 503);
  });

  test("that announces too much is refused before its body is read", async () => {
    origin.on("/huge", (_, response) =>
      response.writeHead(200, { "Content-Length": maxImageBytes + 1 }).write("x"),
    );
    const answer = await byUrl(origin.url("/huge"));
    expect(codeOf(answer)).toEqual([413, "image_too_large"]);
    expect(answer.json).toMatchObject({ measured: maxImageBytes + 1, limit: maxImageBytes });
  });

  test("whose body never ends is cut off at the limit", async () => {
    let sent = 0;
    origin.on("/endless", (_, response) => {
      const chunk = Buffer.alloc(64 * 1024);
      const pump = () => {
        while (!response.destroyed && sent < 100 * maxImageBytes) {
          sent += chunk.length;
          if (!response.write(chunk)) return response.once("drain", pump);
        }
      };
      pump();
    });
    expect(codeOf(await byUrl(origin.url("/endless")))).toEqual([413, "image_too_large"]);
    expect(sent).toBeLessThan(20 * maxImageBytes);
  });

  test("that sends a gzip bomb is cut off at the limit", async () => {
    const bomb = gzipSync(Buffer.alloc(200 * maxImageBytes));
    origin.on("/bomb", (_, response) => response.writeHead(200, { "Content-Encoding": "gzip" }).end(bomb));
    expect(bomb.length).toBeLessThan(maxImageBytes);
    expect(codeOf(await byUrl(origin.url("/bomb")))).toEqual([413, "image_too_large"]);
  });
});

/** Each waits until the Worker gives up. */
describe.concurrent("a server", () => {
  test("that sends less than it announces causes 503", async () => {
    origin.on("/short", (request, response) => {
      response.writeHead(200, { "Content-Length": teapot.length }).write(teapot.subarray(0, 1000));
      setTimeout(() => request.socket.destroy(), 50);
    });
    expect(codeOf(await byUrl(origin.url("/short")))).toEqual([503, "upstream_unavailable"]);
  });

  test("that resets the connection causes 503", async () => {
    origin.on("/reset", (request) => request.socket.resetAndDestroy());
    expect(codeOf(await byUrl(origin.url("/reset")))).toEqual([503, "upstream_unavailable"]);
  });

  test("whose body is too slow causes 503", async () => {
    origin.on("/drip", (_, response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write("x"), 100);
      response.once("close", () => clearInterval(timer));
    });
    expect(codeOf(await byUrl(origin.url("/drip")))).toEqual([503, "upstream_unavailable"]);
  });

  test("that never answers causes 503, and the Worker still answers afterwards", async () => {
    origin.on("/silent", () => {});
    const answer = await byUrl(origin.url("/silent"));
    expect(codeOf(answer)).toEqual([503, "upstream_unavailable"]);
    expect(answer.json.detail).toContain("in time");
    expect((await byUrl(origin.url("/teapot.jpg"))).status).toBe(200);
  });
});

describe("a conditional GET", () => {
  test("has a strong ETag of image, model and top_k, and is 304 until one of them changes", async () => {
    origin.image("/cond.jpg", teapot);
    const url = origin.url("/cond.jpg");
    const { headers, json } = await byUrl(url, "&top_k=2");
    const sha256 = createHash("sha256").update(teapot).digest("hex");
    const version = (json.model as { version: string }).version;
    const etag = headers.get("ETag") ?? "";
    expect(etag).toBe(`"${sha256}-${version}-2-softmax"`);
    expect(headers.get("Cache-Control")).toBe("public, max-age=3600");
    for (const tag of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
      const again = await byUrl(url, "&top_k=2", { headers: { "If-None-Match": tag } });
      expect([again.status, again.text, again.headers.get("ETag")]).toEqual([304, "", etag]);
      expect(again.headers.get("Cache-Control")).toBe("public, max-age=3600");
    }
    expect((await byUrl(url, "&top_k=3", { headers: { "If-None-Match": etag } })).status).toBe(200);
    origin.image("/cond.jpg", ladybug);
    expect((await byUrl(url, "&top_k=2", { headers: { "If-None-Match": etag } })).status).toBe(200);
  });

  test("by HEAD has the headers and no body", async () => {
    const get = await byUrl(origin.url("/teapot.jpg"));
    const head = await byUrl(origin.url("/teapot.jpg"), "", { method: "HEAD" });
    expect([head.status, head.text, head.headers.get("ETag")]).toEqual([200, "", get.headers.get("ETag")]);
  });

  test("of an image that has not changed, according to its server, needs neither its bytes nor a decode", async () => {
    origin.image("/seen.jpg", teapot, '"v1"');
    const url = origin.url("/seen.jpg");
    const first = await byUrl(url);
    await expect
      .poll(async () => {
        await byUrl(url);
        return origin.requests.at(-1)?.headers["if-none-match"];
      })
      .toBe('"v1"');
    worker.clearLogs();
    const second = await byUrl(url);
    expect([second.text, second.headers.get("X-Cache")]).toEqual([first.text, "HIT"]);
    const third = await byUrl(url, "", { headers: { "If-None-Match": first.headers.get("ETag") ?? "" } });
    expect(third.status).toBe(304);
    for (const line of await worker.logs("request")) {
      expect(line).not.toHaveProperty("bytes");
      expect(line.stages_ms).not.toHaveProperty("image");
    }
    origin.image("/seen.jpg", ladybug, '"v2"');
    expect((await byUrl(url)).json.predictions).toMatchObject([{ label: "ladybug" }, {}, {}, {}, {}]);
  });

  test("with a key is private", async () => {
    const { headers } = await byUrl(origin.url("/teapot.jpg"), "", {
      headers: { Authorization: "Bearer x" },
    });
    expect(headers.get("Cache-Control")).toBe("private, max-age=3600");
  });
});

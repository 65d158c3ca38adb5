/** GET /cdn/*: adds labels to the headers of an origin's images, and passes images on whatever happens. */
import { createHash } from "node:crypto";
import { get as httpGet } from "node:http";
import { connect } from "node:net";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Origin } from "../support/origin.ts";
import { exampleImage, TestWorker } from "../support/worker.ts";

const maxImageBytes = 300_000;
let worker: TestWorker;
let origin: Origin;
let teapot: Uint8Array;
let ladybug: Uint8Array;

beforeAll(async () => {
  [teapot, ladybug] = await Promise.all([exampleImage("teapot"), exampleImage("ladybug")]);
  origin = await Origin.start();
  worker = await TestWorker.start({
    vars: { MAX_IMAGE_BYTES: maxImageBytes, IMAGE_ORIGIN: origin.url("/base") },
  });
  expect((await worker.classify(ladybug)).status).toBe(200);
});

afterAll(async () => {
  await worker?.close();
  await origin?.close();
});

async function cdn(pathname: string, init: RequestInit = {}) {
  const response = await fetch(new URL(`/cdn${pathname}`, worker.url), { redirect: "manual", ...init });
  const bytes = new Uint8Array(await response.arrayBuffer());
  return { status: response.status, headers: response.headers, bytes, text: Buffer.from(bytes).toString() };
}

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const sameBytes = (a: Uint8Array, b: Uint8Array) => expect(Buffer.compare(a, b)).toBe(0);

describe("an image", () => {
  test("has unchanged bytes and headers, and labels", async () => {
    origin.on("/base/a/teapot.jpg", (_, response) =>
      response
        .writeHead(200, {
          "Content-Type": "image/jpeg",
          "Content-Length": teapot.length,
          "Cache-Control": "max-age=9",
        })
        .end(teapot),
    );
    const { status, headers, bytes } = await cdn("/a/teapot.jpg?v=1");
    expect(status).toBe(200);
    sameBytes(bytes, teapot);
    expect(headers.get("X-Image-Label")).toBe("teapot");
    expect(Number(headers.get("X-Image-Score"))).toBeGreaterThan(0.6);
    expect(headers.get("X-Image-Sha256")).toBe(sha256(teapot));
    expect(headers.get("X-Image-Classify-Error")).toBeNull();
    expect(headers.get("Content-Type")).toBe("image/jpeg");
    expect(headers.get("Content-Length")).toBe(String(teapot.length));
    expect(headers.get("Cache-Control")).toBe("max-age=9");
    expect(headers.get("Vary")).toContain("Accept");
    expect(origin.requests.at(-1)?.url).toBe("/base/a/teapot.jpg?v=1");
  });

  test("without Content-Length, in chunks, gives the same", async () => {
    origin.on("/base/pieces.jpg", async (_, response) => {
      response.writeHead(200, { "Content-Type": "image/jpeg" });
      for (let i = 0; i < teapot.length; i += 20_000) {
        response.write(teapot.subarray(i, i + 20_000));
        await new Promise((next) => setTimeout(next, 5));
      }
      response.end();
    });
    const { headers, bytes } = await cdn("/pieces.jpg");
    sameBytes(bytes, teapot);
    expect(headers.get("X-Image-Label")).toBe("teapot");
  });

  test("may be a PNG", async () => {
    const png = await sharp(teapot).resize(150).png().toBuffer();
    origin.on("/base/teapot.png", (_, response) =>
      response.writeHead(200, { "Content-Type": "image/png" }).end(png),
    );
    const { headers, bytes } = await cdn("/teapot.png");
    sameBytes(bytes, png);
    expect(headers.get("Content-Type")).toBe("image/png");
    expect(headers.get("X-Image-Label")).toBe("teapot");
  });

  test("is JSON on request, the same as from /v1/classify, with ETag and 304; errors are problems", async () => {
    origin.image("/base/json.jpg", teapot, '"j1"');
    const json = await cdn("/json.jpg", { headers: { Accept: "application/json" } });
    const raw = await worker.classify(teapot);
    expect([json.status, json.text]).toEqual([200, raw.text]);
    expect(json.headers.get("Vary")).toContain("Accept");
    const etag = json.headers.get("ETag") ?? "";
    const again = await cdn("/json.jpg", { headers: { Accept: "application/json", "If-None-Match": etag } });
    expect([again.status, again.text]).toEqual([304, ""]);
    const missing = await cdn("/missing.jpg", { headers: { Accept: "application/json" } });
    expect([missing.status, JSON.parse(missing.text).code]).toEqual([422, "image_unreachable"]);
  });

  test("with a known ETag streams at once: the headers arrive before the body's end", async () => {
    let finish = () => {};
    origin.on("/base/slow.jpg", (_, response) => {
      response.writeHead(200, {
        "Content-Type": "image/jpeg",
        ETag: '"s1"',
        "Content-Length": teapot.length,
      });
      response.write(teapot.subarray(0, 1000));
      finish = () => response.end(teapot.subarray(1000));
    });
    const first = fetch(new URL("/cdn/slow.jpg", worker.url));
    await expect.poll(() => origin.requests.at(-1)?.url).toBe("/base/slow.jpg");
    finish();
    expect((await (await first).arrayBuffer()).byteLength).toBe(teapot.length);
    const second = await fetch(new URL("/cdn/slow.jpg", worker.url));
    expect(second.headers.get("X-Image-Label")).toBe("teapot");
    expect(second.headers.get("X-Cache")).toBe("HIT");
    finish();
    sameBytes(new Uint8Array(await second.arrayBuffer()), teapot);
  });

  test("in part, not modified, or by HEAD is as the origin sends it, with the known labels", async () => {
    origin.image("/base/known.jpg", teapot, '"k1"');
    await cdn("/known.jpg");
    const same = await cdn("/known.jpg", { headers: { "If-None-Match": '"k1"' } });
    expect([same.status, same.text, same.headers.get("X-Image-Label")]).toEqual([304, "", "teapot"]);
    const head = await cdn("/known.jpg", { method: "HEAD" });
    expect([head.status, head.text, head.headers.get("X-Image-Label")]).toEqual([200, "", "teapot"]);
    expect(origin.requests.at(-1)?.method).toBe("HEAD");
    origin.on("/base/known.jpg", (request, response) => {
      expect(request.headers.range).toBe("bytes=0-9");
      const range = {
        "Content-Range": `bytes 0-9/${teapot.length}`,
        ETag: '"k1"',
        "Content-Type": "image/jpeg",
      };
      response.writeHead(206, range).end(teapot.subarray(0, 10));
    });
    const part = await cdn("/known.jpg", { headers: { Range: "bytes=0-9" } });
    expect([part.status, part.bytes.length, part.headers.get("X-Image-Label")]).toEqual([206, 10, "teapot"]);
    expect(part.headers.get("Content-Range")).toBe(`bytes 0-9/${teapot.length}`);
  });

  test("that has changed has new labels", async () => {
    origin.image("/base/changes.jpg", teapot, '"c1"');
    expect((await cdn("/changes.jpg")).headers.get("X-Image-Label")).toBe("teapot");
    origin.image("/base/changes.jpg", ladybug, '"c2"');
    const { headers, bytes } = await cdn("/changes.jpg");
    expect(headers.get("X-Image-Label")).toBe("ladybug");
    sameBytes(bytes, ladybug);
  });
});

describe("what cannot be classified passes through", () => {
  test.each([true, false])("an image over the limit, with its length announced: %s", async (announced) => {
    const large = new Uint8Array(3 * maxImageBytes);
    large.set(teapot);
    large.fill(7, teapot.length);
    origin.on("/base/large.jpg", (_, response) => {
      const length = announced ? { "Content-Length": large.length } : {};
      response.writeHead(200, { "Content-Type": "image/jpeg", ...length }).end(large);
    });
    const { status, headers, bytes } = await cdn("/large.jpg");
    expect(status).toBe(200);
    sameBytes(bytes, large);
    expect(headers.get("X-Image-Classify-Error")).toBe("image_too_large");
    expect(headers.get("X-Image-Label")).toBeNull();
  });

  test.each([
    ["a broken JPEG", () => teapot.slice(0, 2000), "image_undecodable"],
    ["a TIFF by its bytes", () => Buffer.from("II*\0\x08\0\0\0", "latin1"), "unsupported_image"],
    ["nothing", () => new Uint8Array(0), "empty_body"],
  ])("%s", async (_, make, code) => {
    const sent = make();
    origin.on("/base/bad.jpg", (_, response) =>
      response.writeHead(200, { "Content-Type": "image/jpeg" }).end(sent),
    );
    const { status, headers, bytes } = await cdn("/bad.jpg");
    expect(status).toBe(200);
    sameBytes(bytes, sent);
    expect(headers.get("X-Image-Classify-Error")).toBe(code);
  });

  test("a page, an error, a redirect pass as the origin sends them, and nothing can run under this host's name", async () => {
    origin.on("/base/page", (_, response) =>
      response
        .writeHead(200, { "Content-Type": "text/html", "Set-Cookie": "a=b" })
        .end("<script>alert(1)</script>"),
    );
    const page = await cdn("/page");
    expect([page.status, page.text]).toEqual([200, "<script>alert(1)</script>"]);
    expect(page.headers.get("Content-Security-Policy")).toContain("sandbox");
    expect(page.headers.get("X-Content-Type-Options")).toBe("nosniff");
    expect(page.headers.get("Set-Cookie")).toBeNull();
    expect([...page.headers.keys()].filter((name) => name.startsWith("x-image"))).toEqual([]);
    expect(await cdn("/missing.jpg")).toMatchObject({ status: 404, text: "nothing here" });
    origin.on("/base/moved", (_, response) =>
      response.writeHead(302, { Location: "http://169.254.169.254/" }).end(),
    );
    const moved = await cdn("/moved");
    expect([moved.status, moved.headers.get("Location")]).toEqual([302, "http://169.254.169.254/"]);
  });

  test("an image without a model in the bucket", async () => {
    const empty = await TestWorker.start({ vars: { IMAGE_ORIGIN: origin.url("/base") }, seeded: false });
    try {
      origin.image("/base/teapot.jpg", teapot);
      const response = await fetch(new URL("/cdn/teapot.jpg", empty.url));
      expect(response.status).toBe(200);
      expect(response.headers.get("X-Image-Classify-Error")).toBe("model_unavailable");
      sameBytes(new Uint8Array(await response.arrayBuffer()), teapot);
    } finally {
      await empty.close();
    }
  });
});

describe("an origin", () => {
  test("cannot set the headers of the Worker", async () => {
    const lies = { "X-Image-Label": "admin", "X-Image-Classify-Error": "none", "X-Image-Other": "1" };
    origin.on("/base/lies", (_, response) =>
      response.writeHead(200, { "Content-Type": "text/plain", ...lies }).end("x"),
    );
    const { headers } = await cdn("/lies");
    expect([...headers.keys()].filter((name) => name.startsWith("x-image"))).toEqual([]);
  });

  test("cannot pass on headers about its connection or about a whole host", async () => {
    const theirs = { "Clear-Site-Data": '"*"', "Alt-Svc": 'h3=":443"', NEL: "{}", "X-Cache": "HIT from far" };
    origin.on("/base/hop.jpg", (_, response) => {
      response.writeHead(200, { ...theirs, Connection: "close, X-Hop", "X-Hop": "1" }).end(teapot);
    });
    const { headers, bytes } = await cdn("/hop.jpg");
    sameBytes(bytes, teapot);
    expect(headers.get("X-Image-Label")).toBe("teapot");
    for (const name of ["Clear-Site-Data", "Alt-Svc", "NEL", "X-Hop"]) expect(headers.get(name)).toBeNull();
    expect(headers.get("X-Cache")).toMatch(/^(HIT|MISS)$/);
  });

  test("that answers 205, which has no body, passes through", async () => {
    origin.on("/base/odd", (_, response) => response.writeHead(205).end());
    expect(await cdn("/odd")).toMatchObject({ status: 205, text: "" });
  });

  test("receives no cookies and no keys, and a Via that names the Worker", async () => {
    await cdn("/a/teapot.jpg", { headers: { Cookie: "secret=1", Authorization: "Bearer secret" } });
    const headers = origin.requests.at(-1)?.headers;
    expect(JSON.stringify(headers)).not.toContain("secret");
    expect(headers?.via).toMatch(/edge-resnet/);
  });

  test("that is this Worker itself is refused", async () => {
    const looped = await cdn("/a/teapot.jpg", { headers: { Via: "2.0 front, 1.1 edge-resnet" } });
    expect([looped.status, JSON.parse(looped.text).code]).toEqual([508, "loop_detected"]);
  });

  const statusOf = (path: string) =>
    new Promise<number>((resolve, reject) => {
      httpGet({ host: worker.url.hostname, port: worker.url.port, path }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      }).once("error", reject);
    });

  test.each([
    ["/cdn//evil.test/x.jpg", 404],
    ["/cdn/@evil.test/x.jpg", 404],
    ["/cdn/a/../../x.jpg", 404],
    ["/c%64n/x.jpg", 404],
    ["/cdn/..%2f..%2fx.jpg", 400],
    ["/cdn/..%5cx.jpg", 400],
    ["/cdn/%252e%252e/x.jpg", 400],
  ])("cannot be left by the path %s: %i", async (path, status) => {
    const before = origin.requests.length;
    expect(await statusOf(path)).toBe(status);
    for (const { url } of origin.requests.slice(before)) expect(url).toMatch(/^\/base\//);
  });

  test("sets no policy for this host: security headers and CORS are the Worker's", async () => {
    const theirs = {
      "X-Frame-Options": "ALLOWALL",
      "Content-Security-Policy": "default-src *",
      "Access-Control-Allow-Origin": "*",
      "Strict-Transport-Security": "max-age=0",
      "Referrer-Policy": "unsafe-url",
      "WWW-Authenticate": "Basic",
      Refresh: "0; url=https://evil.test/",
      "X-Foo": "bar",
    };
    origin.on("/base/policy.jpg", (_, response) =>
      response.writeHead(200, { "Content-Type": "image/jpeg", ...theirs }).end(teapot),
    );
    const { headers } = await cdn("/policy.jpg", { headers: { Origin: "https://site.example" } });
    expect(headers.get("X-Image-Label")).toBe("teapot");
    expect(headers.get("X-Frame-Options")).toBe("DENY");
    expect(headers.get("Content-Security-Policy")).toContain("frame-ancestors 'none'");
    expect(headers.get("Strict-Transport-Security")).toBe("max-age=15552000");
    expect(headers.get("Referrer-Policy")).toBe("no-referrer");
    for (const name of ["Access-Control-Allow-Origin", "WWW-Authenticate", "Refresh", "X-Foo"])
      expect([name, headers.get(name)]).toEqual([name, null]);
  });
});

describe("an origin that sends each browser different bytes", () => {
  const modified = "Mon, 01 Jun 2026 00:00:00 GMT";
  const varying = (pathname: string, headers: Record<string, string>) =>
    origin.on(pathname, (request, response) => {
      const { "if-none-match": tag, "if-modified-since": date } = request.headers;
      const all = { "Content-Type": "image/jpeg", Vary: "User-Agent", ...headers };
      if ((tag ?? "none") === headers.ETag || date === modified) return response.writeHead(304, all).end();
      return response.writeHead(200, all).end(request.headers["user-agent"] === "A" ? teapot : ladybug);
    });
  const labelFor = async (pathname: string, agent: string) =>
    (await cdn(pathname, { headers: { "User-Agent": agent } })).headers.get("X-Image-Label");
  const jsonLabel = async (pathname: string) =>
    JSON.parse((await cdn(pathname, { headers: { Accept: "application/json" } })).text).predictions[0].label;

  test("without an ETag: the label matches the bytes, for images and for JSON", async () => {
    varying("/base/vary-date.jpg", { "Last-Modified": modified });
    expect(await labelFor("/vary-date.jpg", "A")).toBe("teapot");
    expect(await jsonLabel("/vary-date.jpg")).toBe("ladybug");
    expect(await labelFor("/vary-date.jpg", "B")).toBe("ladybug");
    expect(await labelFor("/vary-date.jpg", "A")).toBe("teapot");
  });

  test("with one ETag for all: the label matches the bytes", async () => {
    varying("/base/vary-tag.jpg", { ETag: '"same"' });
    expect(await labelFor("/vary-tag.jpg", "A")).toBe("teapot");
    expect(await labelFor("/vary-tag.jpg", "B")).toBe("ladybug");
    expect(await jsonLabel("/vary-tag.jpg")).toBe("ladybug");
    expect(await labelFor("/vary-tag.jpg", "A")).toBe("teapot");
  });
});

/** Each waits until the Worker gives up. */
describe.concurrent("time limits:", () => {
  test("an origin that is slow: the image passes through", async () => {
    origin.on("/base/late.jpg", (_, response) => {
      response.writeHead(200, { "Content-Type": "image/jpeg", "Content-Length": teapot.length });
      response.write(teapot.subarray(0, 1000));
      setTimeout(() => response.end(teapot.subarray(1000)), 7000);
    });
    const { status, headers, bytes } = await cdn("/late.jpg");
    expect([status, headers.get("X-Image-Classify-Error")]).toEqual([200, "timeout"]);
    sameBytes(bytes, teapot);
  });

  test("an origin that stalls half way: the client's body is cut off and does not look complete", async () => {
    origin.on("/base/cut.jpg", (_, response) => {
      response.writeHead(200, { "Content-Type": "image/jpeg", "Content-Length": teapot.length }).write("x");
    });
    await expect(cdn("/cut.jpg")).rejects.toThrow();
    expect((await cdn("/a/teapot.jpg")).headers.get("X-Image-Label")).toBe("teapot");
  });

  // Retried, because wrangler's proxies sometimes buffer all that the client does not read, and then nothing stalls.
  test("a client that stops reading is cut off, and its memory is freed: the largest image fits", {
    retry: 4,
  }, async ({ expect }) => {
    const largest = new Uint8Array(16 * 1024 * 1024);
    largest.set(teapot);
    origin.image("/base/largest.jpg", largest);
    // Fill the buffers of the client's connection, which would otherwise hold most of the image.
    const filler = Buffer.alloc(3 * 1024 * 1024);
    origin.on("/base/filler", (_, response) =>
      response.writeHead(200, { "Content-Type": "text/plain" }).end(filler),
    );
    const roomy = await TestWorker.start({ vars: { IMAGE_ORIGIN: origin.url("/base") } });
    const inFlight = async () => (await roomy.get("/readyz")).json.in_flight as Record<string, number>;
    const idle = { permits: 0, permit_bytes: 0, waiting: 0 };
    /** Returns the label or error of the image, and checks that its bytes arrive in either case. */
    const outcome = async () => {
      const response = await fetch(new URL("/cdn/largest.jpg", roomy.url));
      sameBytes(new Uint8Array(await response.arrayBuffer()), largest);
      return response.headers.get("X-Image-Label") ?? response.headers.get("X-Image-Classify-Error");
    };
    try {
      expect(await outcome()).toBe("teapot");
      await expect.poll(inFlight).toMatchObject(idle);

      const stalled = connect(Number(roomy.url.port), roomy.url.hostname);
      stalled.on("error", () => {}).pause();
      // Twice, because the buffers between the Worker and the client may hold the whole first image.
      for (const path of ["/cdn/filler", "/cdn/largest.jpg", "/cdn/largest.jpg"])
        stalled.write(`GET ${path} HTTP/1.1\r\nHost: ${roomy.url.host}\r\n\r\n`);
      const heldBytes = async () => (await inFlight()).permit_bytes;
      await expect.poll(heldBytes, { timeout: 30_000, interval: 20 }).toBeGreaterThanOrEqual(largest.length);
      await expect.poll(outcome, { timeout: 8_000 }).toBe("overloaded");
      expect((await roomy.classify(teapot)).status).toBe(200);
      // Wait until the stalled client is cut off.
      const post = await roomy.classify(largest);
      expect([post.status, post.json.code]).toEqual([200, undefined]);
      await expect.poll(inFlight).toMatchObject(idle);
      expect(await outcome()).toBe("teapot");

      let bytes = 0;
      stalled.on("data", (data) => {
        bytes += data.length;
      });
      await new Promise<void>((resolve) => stalled.once("close", resolve).resume());
      expect(bytes).toBeLessThan(filler.length + 2 * largest.length);
    } finally {
      await roomy.close();
    }
  });
});

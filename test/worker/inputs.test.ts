/** Formats, and multipart and JSON bodies, of POST /v1/classify. */
import { connect } from "node:net";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { corpusFile } from "../support/hostile-corpus.ts";
import { Origin } from "../support/origin.ts";
import { exampleImage, TestWorker } from "../support/worker.ts";

/**
 * workerd closes the connection of a request that it refuses unread, and a client that is still sending loses the answer.
 * A body of up to 200 kB is sent by then.
 */
const maxImageBytes = 80_000;
let worker: TestWorker;
let origin: Origin;
let teapot: Uint8Array;
let ladybug: Uint8Array;

beforeAll(async () => {
  const small = async (name: string) =>
    Uint8Array.from(
      await sharp(await exampleImage(name))
        .resize(400)
        .jpeg()
        .toBuffer(),
    );
  [teapot, ladybug] = await Promise.all([small("teapot"), small("ladybug")]);
  origin = await Origin.start();
  const vars = { MAX_IMAGE_BYTES: maxImageBytes, ALLOWED_IMAGE_HOSTS: origin.host };
  worker = await TestWorker.start({ vars });
});

afterAll(async () => {
  await worker?.close();
  await origin?.close();
});

function form(parts: readonly (readonly [name: string, bytes: Uint8Array | string])[]): FormData {
  const data = new FormData();
  for (const [name, bytes] of parts) {
    if (typeof bytes === "string") data.append(name, bytes);
    else data.append(name, new Blob([Uint8Array.from(bytes)]), "photo.jpg");
  }
  return data;
}

const postForm = (parts: Parameters<typeof form>[0], query = "") =>
  worker.get(`/v1/classify${query}`, { method: "POST", body: form(parts) });
const postJson = (body: unknown, query = "") =>
  worker.classify(typeof body === "string" ? body : JSON.stringify(body), query, {
    "Content-Type": "application/json",
  });
const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");

test("a PNG of 50 megapixels and 6 kB is answered, while small images wait for their turn", async () => {
  const bomb = corpusFile("png-50-megapixels.png");
  const answers = await Promise.all([
    worker.classify(bomb),
    ...Array.from({ length: 4 }, (_, i) => worker.classify(Buffer.concat([teapot, Buffer.of(i)]))),
  ]);
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
  expect(answers[0]!.json.image).toMatchObject({ width: 7071, height: 7071 });
});

describe.each(["png", "lossy webp", "lossless webp", "gif"])("a picture as %s", (format) => {
  const encoded = (source: Uint8Array | Buffer) => {
    const picture = sharp(source);
    if (format === "png") return picture.png();
    return format === "gif"
      ? picture.gif()
      : picture.webp({ quality: 95, lossless: format !== "lossy webp" });
  };

  test("gets nearly the scores of the same picture as JPEG at quality 95, in every kind of body", async () => {
    const pixels = await sharp(teapot).resize(180).png().toBuffer();
    const bytes = new Uint8Array(await encoded(pixels).toBuffer());
    const jpeg = await sharp(pixels).jpeg({ quality: 95, chromaSubsampling: "4:4:4" }).toBuffer();
    const scoresOf = ({ json }: { readonly json: Record<string, unknown> }) =>
      (json.predictions as { label: string; score: number; index: number }[]).toSorted(
        (a, b) => a.index - b.index,
      );
    const query = "?top_k=200";
    const [raw, expected] = [await worker.classify(bytes, query), await worker.classify(jpeg, query)];
    expect(raw.json.predictions).toMatchObject({ 0: { label: "teapot" } });
    expect(expected.json.predictions).toMatchObject({ 0: { label: "teapot" } });
    const others = scoresOf(expected);
    const differences = scoresOf(raw).map(({ score }, i) => Math.abs(score - others[i]!.score));
    expect(differences).toHaveLength(200);
    // A GIF has 256 colours.
    expect(Math.max(...differences)).toBeLessThan(format === "gif" ? 0.1 : 0.02);
    const text = base64(bytes);
    for (const image of [text, `data:image/jpeg;base64,${text}`]) {
      expect((await postJson({ image }, query)).json).toEqual(raw.json);
    }
    const mislabelled = await worker.classify(bytes, query, { "Content-Type": "image/jpeg" });
    expect(mislabelled.json).toEqual(raw.json);
    expect((await postForm([["image", bytes]], query)).json).toEqual(raw.json);
    origin.image("/picture", bytes);
    expect((await postJson({ url: origin.url("/picture") }, query)).json).toEqual(raw.json);
  });
});

describe("multipart/form-data", () => {
  test("with one image gets the same body as its raw bytes", async () => {
    const raw = await worker.classify(teapot, "?top_k=3");
    const { status, text, headers } = await postForm([["image", teapot]], "?top_k=3");
    expect(status).toBe(200);
    expect(text).toBe(raw.text);
    expect(headers.get("X-Cache")).toBe("HIT");
  });

  test("with several images gets a result or problem for each, in the order sent", async () => {
    const parts = [teapot, new Uint8Array(0), ladybug, "no image", teapot.slice(0, 2000)] as const;
    const { status, json, headers } = await postForm(
      parts.map((part) => ["image", part]),
      "?top_k=1",
    );
    expect(status).toBe(200);
    expect(json.results).toMatchObject([
      { predictions: [{ label: "teapot" }] },
      { status: 400, code: "empty_body" },
      { predictions: [{ label: "ladybug" }] },
      { status: 415, code: "unsupported_image", detected: "text" },
      { status: 422, code: "image_undecodable", instance: `urn:request:${headers.get("X-Request-Id")}` },
    ]);
    expect(headers.get("X-Cache")).toBeNull();
  });

  test("with eight images is answered, with nine is 413 with both numbers", async () => {
    const small = await sharp(ladybug).resize(64).jpeg().toBuffer();
    const eight = await postForm(Array.from({ length: 8 }, () => ["image", small] as const));
    expect((eight.json.results as unknown[]).length).toBe(8);
    const nine = await postForm(Array.from({ length: 9 }, () => ["image", "x"] as const));
    expect(nine.status).toBe(413);
    expect(nine.json).toMatchObject({ code: "too_many_images", measured: 9, limit: 8 });
  });

  test("over the limit in total is 413, although each image is within it", async () => {
    const half = new Uint8Array(maxImageBytes / 2);
    const answer = await postForm([
      ["image", half],
      ["image", half],
    ]);
    expect(answer.status).toBe(413);
    expect(answer.json).toMatchObject({ code: "image_too_large", unit: "bytes", limit: maxImageBytes });
  });

  test("with top_k out of range is one problem, not one per image", async () => {
    const answer = await postForm(
      [
        ["image", teapot],
        ["image", ladybug],
      ],
      "?top_k=201",
    );
    expect([answer.status, answer.json.code]).toEqual([400, "invalid_parameter"]);
  });

  test("with a part of another name is 400 with that name", async () => {
    const answer = await postForm([["file", teapot]]);
    expect(answer.status).toBe(400);
    expect(answer.json).toMatchObject({ code: "malformed_body", expected: expect.stringContaining("image") });
    expect(answer.json.detail).toContain('"file"');
  });

  test.each([
    ["no boundary", "multipart/form-data", "--x\r\n"],
    ["another boundary", "multipart/form-data; boundary=y", "--x\r\n\r\n--x--"],
    [
      "no end",
      "multipart/form-data; boundary=x",
      '--x\r\nContent-Disposition: form-data; name="image"\r\n\r\nabc',
    ],
    ["no parts", "multipart/form-data; boundary=x", "--x--\r\n"],
    ["endless headers", "multipart/form-data; boundary=x", `--x\r\n${"a".repeat(20_000)}`],
    ["a boundary that is none", `multipart/form-data; boundary=${"x".repeat(71)}`, "--x--"],
  ])("with %s is 400", async (_, type, body) => {
    const answer = await worker.classify(body, "", { "Content-Type": type });
    expect([answer.status, answer.json.code]).toEqual([400, "malformed_body"]);
  });

  test("that arrives byte by byte around its boundaries, with an epilogue, is read", async () => {
    const head = '--x\r\nContent-Disposition: form-data; name="image"\r\n\r\n';
    const body = Buffer.concat([Buffer.from(head), teapot, Buffer.from("\r\n--x--\r\nepilogue")]);
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(Number(worker.url.port), worker.url.hostname, async () => {
        socket.setNoDelay(true);
        const type = "Content-Type: Multipart/Form-Data; boundary=x";
        socket.write(
          `POST /v1/classify HTTP/1.1\r\nHost: x\r\n${type}\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`,
        );
        const drip = async (from: number, to: number) => {
          for (let i = from; i < to; i++) {
            socket.write(body.subarray(i, i + 1));
            await new Promise((next) => setTimeout(next, 2));
          }
        };
        await drip(0, head.length + 5);
        socket.write(body.subarray(head.length + 5, head.length + teapot.length));
        await drip(head.length + teapot.length, body.length);
      });
      let text = "";
      socket.on("data", (data) => {
        text += data;
      });
      socket.once("close", () => resolve(text));
      socket.once("error", reject);
    });
    expect(answer).toContain("HTTP/1.1 200");
    expect(answer).toContain('"label":"teapot"');
  });
});

describe("application/json", () => {
  test("with base64 gets the same body as its raw bytes", async () => {
    const raw = await worker.classify(teapot);
    const { status, text } = await postJson({ image: base64(teapot) });
    expect(status).toBe(200);
    expect(text).toBe(raw.text);
    const inDataUrl = await postJson({ image: `data:image/jpeg;base64,${base64(teapot)}` });
    expect([inDataUrl.status, inDataUrl.text]).toEqual([200, raw.text]);
  });

  test.each([
    ["a data: URL that is not base64", { image: "data:image/jpeg,/9j/" }, "not base64"],
    ["white space", { image: "/9j/\n4AAQ" }, "white space"],
    ["another alphabet", { image: "_9j_4AAQ" }, "alphabet"],
    ["a cut", { image: "/9j/4" }, "cut short"],
    ["a number", { image: 5 }, "shape"],
    ["more than asked", { image: "/9j/", more: 1 }, "shape"],
    ["nothing", {}, "shape"],
    ["no object", "[]", "shape"],
    ["broken JSON", "{", "not JSON"],
  ])("with %s is 400 with the reason", async (_, body, hint) => {
    const answer = await postJson(body);
    expect([answer.status, answer.json.code]).toEqual([400, "malformed_body"]);
    expect(answer.json.detail).toContain(hint);
  });

  test("with an empty image is 400, with text in base64 415", async () => {
    expect((await postJson({ image: "" })).json.code).toBe("empty_body");
    expect((await postJson({ image: base64(Buffer.from("hello")) })).json.code).toBe("unsupported_image");
  });

  test("of exactly the limit is read, of a byte more is 413", async () => {
    const padded = new Uint8Array(maxImageBytes);
    padded.set(teapot);
    expect((await postJson({ image: base64(padded) })).status).toBe(200);
    const answer = await postJson({ image: base64(new Uint8Array(maxImageBytes + 1)) });
    expect(answer.status).toBe(413);
    expect(answer.json).toMatchObject({ measured: maxImageBytes + 1, limit: maxImageBytes });
  });

  test("longer than base64 of the limit is 413 by its announced length", async () => {
    const answer = await postJson({ image: "A".repeat(1.4 * maxImageBytes) });
    expect([answer.status, answer.json.code]).toEqual([413, "image_too_large"]);
  });
});

describe("a JSON bomb", () => {
  const keys = Array.from({ length: 40_000 }, (_, i) => `"${i.toString(36)}":0`).join();
  const bombs: [string, string, RegExp][] = [
    ["nested arrays", "[".repeat(100_000), /nests more than 8 levels deep/],
    ["nested arrays after the image", `{"image":"","a":${"[".repeat(90_000)}`, /nests more than 8 levels/],
    ["tens of thousands of arrays", `[${"[],".repeat(33_000)}[]]`, /more than 64 brackets/],
    ["tens of thousands of keys", `{${keys.slice(0, 100_000)}}`, /more than 64 brackets/],
  ];
  test.each(bombs)("of %s is 400 with the reason, before it is parsed", async (_, body, reason) => {
    for (const path of ["/v1/classify", "/models/small"]) {
      const headers = { "Content-Type": "application/json" };
      const { status, json } = await worker.get(path, { method: "POST", body, headers });
      expect([status, json.code]).toEqual([400, "malformed_body"]);
      expect(json.detail).toMatch(reason);
    }
  });

  test("a string full of brackets, quotes and backslashes is only a string", async () => {
    const note = '[{"\\,:'.repeat(7_000);
    const body = JSON.stringify({ inputs: base64(teapot), note });
    const headers = { "Content-Type": "application/json" };
    const { status } = await worker.get("/models/small", { method: "POST", body, headers });
    expect(status).toBe(200);
    expect((await postJson({ image: note })).json.detail).toContain("not base64");
  });
});

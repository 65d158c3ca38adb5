/** classifyImages in another Worker, which calls the classifier through a service binding. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { imageFiles } from "../support/image-files.ts";
import { type Answer, exampleImage, TestWorker } from "../support/worker.ts";

const consumer = "test/support/middleware-consumer/wrangler.toml";
let worker: TestWorker;
let teapot: Uint8Array;
let ladybug: Uint8Array;

beforeAll(async () => {
  worker = await TestWorker.start({ others: [consumer] });
  [teapot, ladybug] = await Promise.all([exampleImage("teapot"), exampleImage("ladybug")]);
});

afterAll(() => worker?.close());

async function ask(pathname: string, image: Uint8Array, type = "image/jpeg") {
  const init = {
    method: "POST",
    body: image as BodyInit,
    headers: { "Content-Type": type },
    redirect: "manual",
  };
  return bytesOf(await worker.askRaw("middleware-consumer", pathname, init as RequestInit));
}

async function bytesOf(response: Response): Promise<Omit<Answer, "text"> & { bytes: Buffer }> {
  const bytes = Buffer.from(await response.arrayBuffer());
  const isJson = response.headers.get("Content-Type")?.endsWith("json");
  const json = isJson ? (JSON.parse(bytes.toString()) as Record<string, unknown>) : {};
  return { status: response.status, headers: response.headers, json, bytes };
}

function padded(image: Uint8Array, bytes: number): Uint8Array {
  const larger = new Uint8Array(bytes);
  larger.set(image);
  return larger;
}

describe.each(["plain", "hono"])("around a %s handler", (style) => {
  test("an image arrives unchanged and with a label", async () => {
    const { status, headers, bytes } = await ask(`/${style}/open`, teapot);
    expect(status).toBe(200);
    expect(bytes.equals(teapot)).toBe(true);
    expect(headers.get("X-Image-Label")).toBe("teapot");
    expect(Number(headers.get("X-Image-Score"))).toBeGreaterThan(0.9);
    expect(headers.get("ETag")).toBe('"e"');
  });

  test("a response that is no image passes unchanged, also with onError closed", async () => {
    const html = new TextEncoder().encode("<!doctype html><p>hello");
    for (const type of ["text/html", "application/octet-stream"]) {
      const { status, headers, bytes } = await ask(`/${style}/closed`, html, type);
      expect([status, bytes.equals(html), headers.get("Content-Type")]).toEqual([200, true, type]);
      expect([...headers.keys()].filter((name) => name.startsWith("x-image"))).toEqual([]);
    }
  });

  test("an image with another type passes unclassified with open, and is classified with closed", async () => {
    const open = await ask(`/${style}/open`, teapot, "application/octet-stream");
    expect([open.bytes.equals(teapot), open.headers.get("X-Image-Label")]).toEqual([true, null]);
    for (const type of ["application/octet-stream", "text/html", "image/png"]) {
      const closed = await ask(`/${style}/closed`, teapot, type);
      expect([closed.bytes.equals(teapot), closed.headers.get("X-Image-Label")]).toEqual([true, "teapot"]);
    }
  });

  test("an image of an unsupported format is withheld with closed", async () => {
    for (const name of ["AVIF", "SVG", "ICO", "JPEG XL"]) {
      const closed = await ask(`/${style}/closed`, imageFiles[name]!, "application/octet-stream");
      expect([closed.status, closed.json.reason]).toEqual([503, "unsupported_image"]);
    }
  });

  test("an image over maxBytes streams unclassified with open, and is withheld with closed", async () => {
    const large = padded(teapot, 3_000_000);
    const open = await ask(`/${style}/open`, large);
    expect(open.bytes.equals(large)).toBe(true);
    expect(open.headers.get("X-Image-Classify-Error")).toBe("image_too_large");
    expect(open.headers.get("X-Image-Label")).toBeNull();
    const closed = await ask(`/${style}/closed`, large);
    expect(closed.json).toMatchObject({ code: "image_withheld", reason: "image_too_large" });
  });

  test("a false JPEG passes with open and is withheld with closed", async () => {
    const text = new TextEncoder().encode("<html>");
    const open = await ask(`/${style}/open`, text);
    expect(open.headers.get("X-Image-Classify-Error")).toBe("unsupported_image");
    expect(open.bytes.toString()).toBe("<html>");
    const closed = await ask(`/${style}/closed`, text);
    expect([closed.status, closed.json.reason]).toEqual([503, "unsupported_image"]);
  });

  test("blockLabels blocks the listed labels only", async () => {
    const blocked = await ask(`/${style}/block`, teapot);
    expect([blocked.status, blocked.json.code]).toEqual([403, "image_blocked"]);
    expect(blocked.headers.get("ETag")).toBeNull();
    expect((await ask(`/${style}/block`, ladybug)).bytes.equals(ladybug)).toBe(true);
  });

  test("a policy can redirect", async () => {
    const { status, headers } = await ask(`/${style}/redirect`, ladybug);
    expect([status, headers.get("Location")]).toEqual([302, "https://example.com/ladybug"]);
    expect((await ask(`/${style}/redirect`, teapot)).status).toBe(200);
  });
});

test("if the classifier has no model, open passes the image and closed withholds it", async () => {
  const bare = await TestWorker.start({ others: [consumer], seeded: false });
  const init = { method: "POST", body: teapot as BodyInit, headers: { "Content-Type": "image/jpeg" } };
  try {
    const open = await bytesOf(await bare.askRaw("middleware-consumer", "/plain/open", init));
    expect(open.bytes.equals(teapot)).toBe(true);
    expect(open.headers.get("X-Image-Classify-Error")).toBe("model_unavailable");
    const closed = await bytesOf(await bare.askRaw("middleware-consumer", "/hono/closed", init));
    expect([closed.status, closed.json.reason]).toEqual([503, "model_unavailable"]);
  } finally {
    await bare.close();
  }
});

/** Settings for images by URL. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { Origin } from "../support/origin.ts";
import { exampleImage, TestWorker } from "../support/worker.ts";

let origin: Origin;

beforeAll(async () => {
  origin = await Origin.start();
  origin.image("/teapot.jpg", await exampleImage("teapot"));
});

afterAll(() => origin?.close());

async function answerWith(vars: Record<string, string>, url = origin.url("/teapot.jpg?v=1&w=4000")) {
  const worker = await TestWorker.start({ vars });
  try {
    return await worker.get(`/v1/classify?url=${encodeURIComponent(url)}`);
  } finally {
    await worker.close();
  }
}

test("without ALLOWED_IMAGE_HOSTS every URL is a 403 that names the variable", async () => {
  const answer = await answerWith({});
  expect(answer.status).toBe(403);
  expect(answer.json).toMatchObject({ code: "host_not_allowed", variable: "ALLOWED_IMAGE_HOSTS" });
  expect(answer.json.detail).toContain("ALLOWED_IMAGE_HOSTS");
  expect(origin.requests).toEqual([]);
});

test("a host with a template is asked for the rendition, and Cache-Control is the configured one", async () => {
  const answer = await answerWith({
    ALLOWED_IMAGE_HOSTS: origin.host,
    IMAGE_RENDITIONS: JSON.stringify({ [origin.host]: "?w=512&fm=jpg" }),
    CLASSIFY_CACHE_CONTROL: "private, max-age=5",
  });
  expect(answer.status).toBe(200);
  expect(answer.headers.get("Cache-Control")).toBe("private, max-age=5");
  expect(origin.requests.map(({ url }) => url)).toEqual(["/teapot.jpg?v=1&w=512&fm=jpg"]);
});

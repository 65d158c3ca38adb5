/** What a new isolate finds in the Cache API. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { exampleImage, TestWorker } from "../support/worker.ts";

let worker: TestWorker;

beforeAll(async () => {
  worker = await TestWorker.start();
  expect((await worker.classify(await exampleImage("teapot"))).headers.get("X-Cache")).toBe("MISS");
  // The Worker answers before it writes to the cache.
  await new Promise((resolve) => setTimeout(resolve, 1000));
  await worker.restart();
});

afterAll(() => worker?.close());

test("an image that another isolate has classified is a hit, without loading the model", async () => {
  worker.clearLogs();
  const { headers, json } = await worker.classify(await exampleImage("teapot"));
  expect(headers.get("X-Cache")).toBe("HIT");
  expect(json.predictions).toMatchObject([{ label: "teapot" }, {}, {}, {}, {}]);
  expect(await worker.logs("model_loaded")).toEqual([]);
});

test("another image loads the model from the cache: R2 is read for current.json and manifest.json only", async () => {
  expect((await worker.classify(await exampleImage("ladybug"))).headers.get("X-Cache")).toBe("MISS");
  expect(await worker.logs("model_loaded")).toMatchObject([{ r2_reads: 2 }]);
  expect(await worker.logs("cache_failed")).toEqual([]);
});

/** The Analytics Engine binding as wrangler emulates it. It accepts data points and shows none, so the test sees only failures. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { exampleImage, TestWorker } from "../support/worker.ts";
import { configWith } from "../support/wrangler-config.ts";

const config = await configWith(
  "analytics",
  '[[analytics_engine_datasets]]\nbinding = "ANALYTICS"\ndataset = "edge_resnet"',
);
let worker: TestWorker;

beforeAll(async () => {
  worker = await TestWorker.start({ configPath: config.configPath });
});

afterAll(async () => {
  await worker?.close();
  await config.remove();
});

test("the binding changes no answer and no error, and accepts every data point", async () => {
  expect(await worker.binding("ANALYTICS")).toBeDefined();
  expect((await worker.classify(await exampleImage("teapot"))).status).toBe(200);
  expect((await worker.classify("not an image")).status).toBe(415);
  expect((await worker.get("/nowhere")).status).toBe(404);
  expect((await worker.get("/healthz")).status).toBe(200);
  expect(await worker.logs("analytics_failed")).toEqual([]);
  expect(await worker.logs("request")).toHaveLength(4);
});

/** Compatibility with Hugging Face: its JavaScript client, and the JSON that its Python client sends. */
import { InferenceClient } from "@huggingface/inference";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { exampleImage, servedModel, TestWorker } from "../support/worker.ts";

type Scores = { label: string; score: number }[];
const maxImageBytes = 140_000;
let worker: TestWorker;
let teapot: Uint8Array<ArrayBuffer>;
let base64: string;

beforeAll(async () => {
  worker = await TestWorker.start({ vars: { MAX_IMAGE_BYTES: maxImageBytes } });
  teapot = Uint8Array.from(await exampleImage("teapot"));
  base64 = Buffer.from(teapot).toString("base64");
});

afterAll(() => worker?.close());

const endpointUrl = (query = "", model = servedModel) => new URL(`/models/${model}${query}`, worker.url).href;
const client = new InferenceClient();
const blob = () => new Blob([teapot], { type: "image/jpeg" });

async function post(body: unknown, query = "", model = servedModel) {
  const answer = await worker.get(`/models/${model}${query}`, {
    method: "POST",
    body: typeof body === "string" ? body : JSON.stringify(body),
    headers: { "Content-Type": "application/json" },
  });
  return { ...answer, scores: (answer.text.startsWith("[") ? JSON.parse(answer.text) : []) as Scores };
}

describe("@huggingface/inference", () => {
  test("imageClassification of a Blob returns labels and scores, best first", async () => {
    const scores = await client.imageClassification({ endpointUrl: endpointUrl(), data: blob() });
    expect(scores).toHaveLength(5);
    expect(scores[0]).toEqual({ label: "teapot", score: expect.any(Number) });
    expect(scores.map(({ score }) => score)).toEqual(scores.map(({ score }) => score).sort((a, b) => b - a));
  });

  test("imageClassification of an ArrayBuffer works, with top_k and function_to_apply in the endpoint's query", async () => {
    const url = endpointUrl("?top_k=2&function_to_apply=sigmoid");
    const scores = await client.imageClassification({ endpointUrl: url, inputs: new Blob([teapot.buffer]) });
    const logits = (await worker.classify(teapot, "?top_k=2&function_to_apply=none")).json
      .predictions as Scores;
    expect(scores.map(({ label }) => label)).toEqual(logits.map(({ label }) => label));
    for (const [i, { score }] of scores.entries()) {
      expect(score).toBeCloseTo(1 / (1 + Math.exp(-logits[i]!.score)), 6);
    }
  });

  test("request works with the inputs and parameters of its types", async () => {
    const parameters = { top_k: 3, function_to_apply: "none" };
    const args = { endpointUrl: endpointUrl(), inputs: base64, parameters };
    const scores = (await client.request(args)) as Scores;
    expect(scores).toHaveLength(3);
    expect(scores[0]!.score).toBeGreaterThan(1);
  });

  test("an unknown model rejects with the Worker's message", async () => {
    const wrong = client.imageClassification({ endpointUrl: endpointUrl("", "vit"), data: blob() });
    await expect(wrong).rejects.toThrow(/The model "vit" does not exist here; use small/);
  });
});

describe("POST /models/:name", () => {
  test("JSON and raw bytes of one image share one run", async () => {
    await worker.classify(teapot);
    const { headers, scores } = await post({ inputs: base64, parameters: { top_k: 1 } });
    expect(headers.get("X-Cache")).toBe("HIT");
    expect(scores).toMatchObject([{ label: "teapot" }]);
  });

  test("parameters in the body override the query", async () => {
    expect((await post({ inputs: base64, parameters: { top_k: 2 } }, "?top_k=4")).scores).toHaveLength(2);
    expect((await post({ inputs: base64 }, "?top_k=4")).scores).toHaveLength(4);
  });

  test.each([
    ["a top_k over the classes", { top_k: 201 }, "top_k"],
    ["a top_k of 1.5", { top_k: 1.5 }, "top_k"],
    ["another function", { function_to_apply: "relu" }, "function_to_apply"],
  ])("%s is 400 with the name of the parameter", async (_, parameters, parameter) => {
    const { status, json } = await post({ inputs: base64, parameters });
    expect(status).toBe(400);
    expect(json).toMatchObject({ code: "invalid_parameter", parameter });
  });

  test("an unknown model is 404, before the body is read", async () => {
    const { status, json } = await post("{", "", "vit");
    expect(status).toBe(404);
    expect(json).toMatchObject({ code: "unknown_model", served: [servedModel] });
  });

  test("JSON over its limit is 413, and bad JSON is 400", async () => {
    const big = await post({ inputs: "A".repeat(1.4 * maxImageBytes) });
    expect(big.json).toMatchObject({ status: 413, code: "image_too_large" });
    expect((await post("{")).json).toMatchObject({ status: 400, code: "malformed_body" });
    expect((await post({ inputs: "AAAA" })).json).toMatchObject({ status: 415 });
    expect((await post({ inputs: base64 })).status).toBe(200);
  });
});

/** POST /v1/embed, and function_to_apply of /v1/classify: other outputs of the same run. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { defaultModelName } from "../../src/default-model.ts";
import { embeddedPack, exampleImage, TestWorker } from "../support/worker.ts";

let worker: TestWorker;
let teapot: Uint8Array;

beforeAll(async () => {
  worker = await TestWorker.start({ pack: "embedded" });
  teapot = await exampleImage("teapot");
});

afterAll(() => worker?.close());

async function embed(image: Uint8Array, query = "") {
  const { status, headers, json } = await worker.get(`/v1/embed${query}`, {
    method: "POST",
    body: image as BodyInit,
  });
  return { status, cache: headers.get("X-Cache"), json, vector: json.embedding as number[] };
}

const norm = (vector: readonly number[]) => Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0));
const cosine = (a: readonly number[], b: readonly number[]) =>
  a.reduce((sum, x, i) => sum + x * b[i]!, 0) / norm(a) / norm(b);

describe("an embedding", () => {
  test("is the model's pooled features, with model and image", async () => {
    const { status, json, vector } = await embed(teapot);
    expect(status).toBe(200);
    expect(Object.keys(json)).toEqual(["model", "image", "embedding"]);
    expect(json.model).toMatchObject({ name: defaultModelName });
    expect(json.image).toMatchObject({ width: 1200, height: 900, sha256: expect.any(String) });
    expect(vector).toHaveLength(512);
    expect(new Set(vector).size).toBeGreaterThan(100);
  });

  test("and the scores of the same image come from one run, in either order", async () => {
    const ladybug = await exampleImage("ladybug");
    expect((await worker.classify(ladybug)).headers.get("X-Cache")).toBe("MISS");
    expect((await embed(ladybug)).cache).toBe("HIT");
  });

  test("in base64 has the same numbers as little-endian float32", async () => {
    const { vector } = await embed(teapot);
    const { json } = await embed(teapot, "?encoding=base64");
    const bytes = Buffer.from(json.embedding as string, "base64");
    expect(bytes).toHaveLength(4 * 512);
    expect(vector.map((_, i) => bytes.readFloatLE(4 * i))).toEqual(vector);
  });

  test("normalised has length 1 and the same direction", async () => {
    const { vector } = await embed(teapot);
    const unit = (await embed(teapot, "?normalize=l2")).vector;
    expect(norm(unit)).toBeCloseTo(1, 5);
    expect(cosine(unit, vector)).toBeCloseTo(1, 6);
    expect(norm(vector)).not.toBeCloseTo(1, 2);
  });

  test("of a slightly smaller copy is close; of another subject it is farther", async () => {
    const { default: sharp } = await import("sharp");
    const smaller = await sharp(teapot).resize(1200).jpeg({ quality: 80 }).toBuffer();
    const { vector } = await embed(teapot);
    const near = cosine(vector, (await embed(smaller)).vector);
    const far = cosine(vector, (await embed(await exampleImage("jellyfish"))).vector);
    expect(near).toBeGreaterThan(0.95);
    expect(far).toBeLessThan(near);
  });

  test.each([
    ["?encoding=hex", "encoding"],
    ["?normalize=l1", "normalize"],
  ])("%s is refused with the name of the parameter", async (query, parameter) => {
    const { status, json } = await embed(teapot, query);
    expect(status).toBe(400);
    expect(json).toMatchObject({ code: "invalid_parameter", parameter });
  });

  test("of a file that is no JPEG is 415, of an empty body 400", async () => {
    expect((await embed(new TextEncoder().encode("hello"))).json).toMatchObject({ status: 415 });
    expect((await embed(new Uint8Array())).json).toMatchObject({ status: 400, code: "empty_body" });
  });
});

describe("function_to_apply of /v1/classify", () => {
  const scores = async (word: string) => {
    const { json } = await worker.classify(teapot, `?top_k=200&function_to_apply=${word}`);
    return new Map((json.predictions as { label: string; score: number }[]).map((p) => [p.label, p.score]));
  };

  test("softmax is the default and divides by the temperature; sigmoid and none do not", async () => {
    const logits = await scores("none");
    const sigmoids = await scores("sigmoid");
    const { json } = await worker.classify(teapot, "?top_k=200");
    const { temperature } = (await embeddedPack()).manifest.scores!;
    const powers = new Map([...logits].map(([label, logit]) => [label, Math.exp(logit / temperature)]));
    const total = [...powers.values()].reduce((sum, power) => sum + power, 0);
    expect(temperature).not.toBe(1);
    expect(json.predictions).toHaveLength(200);
    for (const { label, score } of json.predictions as { label: string; score: number }[]) {
      const logit = logits.get(label)!;
      expect(score).toBeCloseTo(powers.get(label)! / total, 6);
      expect(sigmoids.get(label)).toBeCloseTo(1 / (1 + Math.exp(-logit)), 6);
    }
  });

  test("another value is refused", async () => {
    const { status, json } = await worker.classify(teapot, "?function_to_apply=relu");
    expect(status).toBe(400);
    expect(json).toMatchObject({ parameter: "function_to_apply", expected: "softmax or sigmoid or none" });
  });
});

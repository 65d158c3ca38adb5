/** The KV tier, with the namespace that wrangler emulates. */
import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { exampleImage, servedModel, servedPack, TestWorker } from "../support/worker.ts";
import { configWith } from "../support/wrangler-config.ts";

interface Namespace {
  get(key: string, type: "arrayBuffer"): Promise<ArrayBuffer | null>;
  put(key: string, value: ArrayBuffer | string): Promise<void>;
  list(): Promise<{ keys: { name: string; expiration?: number }[] }>;
}

const config = await configWith("kv", '[[kv_namespaces]]\nbinding = "RESULTS"\nid = "results-test"');
const { configPath } = config;
let teapot: Uint8Array;

beforeAll(async () => {
  teapot = await exampleImage("teapot");
});

afterAll(() => config.remove());

async function withWorker<T>(
  vars: Record<string, string | number>,
  work: (worker: TestWorker, results: Namespace) => Promise<T>,
): Promise<T> {
  const worker = await TestWorker.start({ configPath, vars });
  try {
    return await work(worker, await worker.binding<Namespace>("RESULTS"));
  } finally {
    await worker.close();
  }
}

describe("with the binding", () => {
  test("a result of one location is a hit in another, with the same body", async () => {
    const [there, key, stored] = await withWorker({ RESULTS_TTL_SECONDS: 3600 }, async (worker, results) => {
      const before = Math.floor(Date.now() / 1000);
      const answer = await worker.classify(teapot);
      expect(answer.headers.get("X-Cache")).toBe("MISS");
      const { keys } = await until(
        () => results.list(),
        ({ keys }) => keys.length > 0,
      );
      const { name, expiration } = keys[0]!;
      expect(name).toContain(`${servedModel}/${(await servedPack()).manifest.version}/`);
      // The entry was written between `before` and now.
      expect(expiration).toBeGreaterThanOrEqual(before + 3600);
      expect(expiration).toBeLessThanOrEqual(Math.ceil(Date.now() / 1000) + 3600);
      return [answer, name, (await results.get(name, "arrayBuffer"))!] as const;
    });
    await withWorker({}, async (worker, results) => {
      expect((await results.list()).keys).toEqual([]);
      await results.put(key, stored);
      const here = await worker.classify(teapot);
      expect(here.headers.get("X-Cache")).toBe("HIT");
      expect(here.text).toBe(there.text);
      expect(await worker.logs("model_loaded")).toEqual([]);
    });
  });

  test("an entry that is not a result is logged, computed again and replaced", async () => {
    await withWorker({}, async (worker, results) => {
      const hash = createHash("sha256").update(teapot).digest("hex");
      const key = `${servedModel}/${(await servedPack()).manifest.version}/${hash}`;
      await results.put(key, "garbage");
      const answer = await worker.classify(teapot);
      expect([answer.status, answer.headers.get("X-Cache")]).toEqual([200, "MISS"]);
      expect(await worker.logs("cache_failed")).toMatchObject([{ tier: "kv", operation: "get" }]);
      const stored = await until(
        async () => Buffer.from((await results.get(key, "arrayBuffer"))!).toString(),
        (text) => text !== "garbage",
      );
      expect(stored.length).toBeGreaterThan(100);
      expect((await results.list()).keys.map(({ name }) => name)).toEqual([key]);
    });
  });
});

async function until<T>(read: () => Promise<T>, holds: (value: T) => boolean): Promise<T> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const value = await read();
    if (holds(value)) return value;
    if (Date.now() > deadline) throw new Error("the condition is not met after 10 s");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

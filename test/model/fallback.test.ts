/** A model that the preferred engine does not support runs in the other one. */
import { beforeEach, expect, test } from "vitest";
import { type Engine, UnsupportedGraphError } from "../../src/model/engine.ts";
import { ModelHost } from "../../src/model/model-host.ts";
import { onnxRuntimeEngine } from "../../src/model/sharded-session.ts";
import { BucketSource } from "../../src/storage/bucket-source.ts";
import { MemoryBucket } from "../support/memory-bucket.ts";
import { FakeRuntime, seedTinyPack, tinyName } from "../support/tiny-pack.ts";

const input = () => new Float32Array(12).fill(0.5);
let bucket: MemoryBucket;
let runtime: FakeRuntime;
let log: Record<string, unknown>[];
/** Versions that the preferred engine was asked to load, and the size of its memory. */
let asked: string[];
let heapBytes: number;

beforeEach(async () => {
  bucket = new MemoryBucket();
  await seedTinyPack(bucket);
  runtime = new FakeRuntime();
  log = [];
  asked = [];
  heapBytes = 1024;
});

function hostWith(fallback: boolean): ModelHost {
  const engine: Engine = {
    name: "simd",
    starts: 1,
    heapBytes: () => heapBytes,
    load: async ({ version }) => {
      asked.push(version);
      throw new UnsupportedGraphError("the node first has the operator Other");
    },
  };
  return new ModelHost({
    waitUntil: () => {},
    name: tinyName,
    source: new BucketSource(bucket),
    engine,
    ...(fallback ? { fallback: onnxRuntimeEngine(runtime) } : {}),
    log: (event) => void log.push(event),
  });
}

const events = () => log.map(({ event, engine }) => (engine ? `${event} ${engine}` : event));

test("once, with one log line that names the node; later loads of the version go straight to it", async () => {
  const host = hostWith(true);
  expect(await host.infer(input)).toMatchObject({ engine: "onnxruntime" });
  expect(await host.load()).toMatchObject({ engine: "onnxruntime", shards: 3 });
  expect(events()).toEqual(["engine_unsupported", "model_loaded onnxruntime"]);
  expect(log[0]).toMatchObject({ reason: "the node first has the operator Other" });
  expect(host.heapBytes()).toBe(heapBytes + runtime.heapBytes());

  // A failed run discards the model, so the next one loads it again.
  runtime.beforeRun = async () => Promise.reject(new Error("trap"));
  await expect(host.infer(input)).rejects.toThrow();
  runtime.beforeRun = async () => {};
  await host.infer(input);
  expect(asked).toHaveLength(1);
  expect(events().filter((event) => event === "engine_unsupported")).toHaveLength(1);
});

test("for good, once it has held a model, because both memories never shrink", async () => {
  runtime.heapBytes = () => 42 * 2 ** 20;
  await hostWith(true).infer(input);
  expect(asked).toEqual([]);
  expect(events()).toEqual(["model_loaded onnxruntime"]);
});

test("and not at all beside an engine whose memory leaves no room: the answer says which setting helps", async () => {
  heapBytes = 11 * 2 ** 20;
  const attempt = hostWith(true).infer(input);
  await expect(attempt).rejects.toMatchObject({
    reason: {
      code: "model_unavailable",
      detail: expect.stringMatching(/set ENGINE = "onnxruntime" and deploy/),
    },
  });
  expect(runtime.createdSessions).toBe(0);
  expect(events()).toEqual(["engine_unsupported", "model_load_failed"]);
});

test("without another engine the answer names the node", async () => {
  await expect(hostWith(false).infer(input)).rejects.toMatchObject({
    reason: { code: "model_unavailable", detail: "the node first has the operator Other" },
  });
});

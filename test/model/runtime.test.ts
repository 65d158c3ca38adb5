/** The real onnxruntime-web with the embedded pack, as the Worker runs it, but in Node. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { InferenceSession } from "onnxruntime-web/wasm";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { writeOnnx } from "../../cli/onnx/file.ts";
import type { Graph } from "../../cli/onnx/graph.ts";
import { type LocalPack, packsFolder, readLocalPack } from "../../cli/store/local-pack.ts";
import { defaultModelName } from "../../src/default-model.ts";
import { createRuntime, type Runtime, type Tensor } from "../../src/model/runtime.ts";
import { ShardedSession } from "../../src/model/sharded-session.ts";
import { compileOrtWasm } from "../support/ort-wasm.ts";

const MiB = 2 ** 20;
const instantiate = WebAssembly.instantiate;
let runtime: Runtime;
let pack: LocalPack;

beforeAll(async () => {
  runtime = createRuntime(await compileOrtWasm());
  pack = await readLocalPack(path.join(packsFolder, defaultModelName));
});

const load = () =>
  ShardedSession.load(pack.manifest, {
    runtime,
    readShard: async ({ file }) => new Uint8Array(await readFile(path.join(pack.folder, file))),
  });

describe("the runtime with the pinned onnxruntime-web", () => {
  test("is the version that package.json pins exactly", async () => {
    const read = async (file: string) => JSON.parse(await readFile(file, "utf8"));
    const { dependencies } = await read("package.json");
    const { version } = await read("node_modules/onnxruntime-web/package.json");
    expect(dependencies["onnxruntime-web"]).toBe(version);
  });

  test("allocates nothing before the first session", () => {
    expect(runtime.heapBytes()).toBe(0);
    expect(createRuntime({} as WebAssembly.Module)).toBe(runtime);
  });

  test("refuses broken bytes with ONNX Runtime's message and restores WebAssembly.instantiate", async () => {
    const attempts = [1, 2].map((seed) => runtime.createSession(new Uint8Array(100).fill(seed)));
    for (const attempt of attempts) await expect(attempt).rejects.toThrow(/ERROR_CODE|protobuf/i);
    expect(WebAssembly.instantiate).toBe(instantiate);
  });

  test.each([
    ["larger than that of a shard", [1, 100_000, 100_000]],
    ["not fixed", [1, "N"]],
  ])("does not run a graph on zeros with an input that is %s", async (_, dims) => {
    const value = (name: string) => ({ name, dims, type: "float32" as const });
    const identity = {
      name: "",
      op: "Identity",
      domain: "",
      inputs: ["x"],
      outputs: ["y"],
      attributes: new Map(),
    };
    const graph: Graph = {
      name: "declared",
      opset: 13,
      nodes: [identity],
      initializers: new Map(),
      inputs: [value("x")],
      outputs: [value("y")],
    };
    const run = vi.spyOn((InferenceSession as unknown as { prototype: InferenceSession }).prototype, "run");
    const session = await runtime.createSession(writeOnnx(graph));
    await session.warmUp();
    expect(run).not.toHaveBeenCalled();
    run.mockRestore();
    await session.release();
  });

  test("runs one shard of the isolate's first model on zeros while it loads, and none of the next", async () => {
    const run = vi.spyOn((InferenceSession as unknown as { prototype: InferenceSession }).prototype, "run");
    for (const runs of [1, 1]) {
      const session = await load();
      expect(run).toHaveBeenCalledTimes(runs);
      await session.release();
    }
    const tensors = Object.values(run.mock.calls[0]?.[0] as Record<string, Tensor>);
    expect(tensors.map(({ dims }) => dims)).toEqual([
      [1, 512, 3, 3],
      [1, 512, 3, 3],
    ]);
    for (const { data } of tensors) expect((data as Float32Array).every((value) => value === 0)).toBe(true);
    run.mockRestore();
  });

  test("uses the precompiled module, and the heap of the embedded model stays within 42 MiB", async () => {
    const session = await load();
    const input = new Float32Array(3 * 96 * 96).map((_, i) => Math.sin(i));
    const first = await session.run(input);
    expect(WebAssembly.instantiate).toBe(instantiate);
    expect(first.logits).toHaveLength(200);
    expect(first.features).toHaveLength(512);
    const afterFirst = runtime.heapBytes();
    for (let i = 0; i < 20; i++) expect(await session.run(input)).toEqual(first);
    expect(runtime.heapBytes()).toBe(afterFirst);
    expect(afterFirst).toBeGreaterThan(20 * MiB); // less would mean that this is not the heap's size
    expect(afterFirst).toBeLessThanOrEqual(42 * MiB);
    await session.release();
  });

  test("five models in a row, each released before the next, stay within 64 MiB", async () => {
    for (let i = 0; i < 5; i++) {
      const session = await load();
      await session.run(new Float32Array(3 * 96 * 96));
      await session.release();
    }
    expect(runtime.heapBytes()).toBeLessThanOrEqual(64 * MiB);
  });
});

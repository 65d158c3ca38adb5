/** The SIMD engine with whole packs: the bits of ONNX Runtime, its memory, and its failures. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { readOnnx, writeOnnx } from "../../../cli/onnx/file.ts";
import { loadSession, nodeEngine } from "../../../cli/pack/evaluate.ts";
import { type LocalPack, packsFolder, readLocalPack } from "../../../cli/store/local-pack.ts";
import { defaultModelName } from "../../../src/default-model.ts";
import { engineBudget } from "../../../src/limits.ts";
import { type LoadOptions, UnsupportedGraphError } from "../../../src/model/engine.ts";
import type { Manifest, Shard } from "../../../src/model/manifest.ts";
import { SimdEngine } from "../../../src/model/simd/simd-engine.ts";
import { compileKernels } from "../../support/kernels.ts";
import { smallPack } from "../../support/small-pack.ts";

let embedded: LocalPack;
let small: LocalPack;
let kernels: WebAssembly.Module;

beforeAll(async () => {
  embedded = await readLocalPack(path.join(packsFolder, defaultModelName));
  small = await smallPack();
  kernels = await compileKernels();
});

const shardReader = (pack: LocalPack) => (shard: Shard) =>
  readFile(path.join(pack.folder, shard.file)).then((bytes) => Uint8Array.from(bytes));
const load = (engine: SimdEngine, pack: LocalPack, options: Partial<LoadOptions> = {}) =>
  engine.load(pack.manifest, { readShard: shardReader(pack), ...options });

function input({ input: { shape } }: Manifest, seed = 1): Float32Array {
  return new Float32Array(shape.reduce((product, dim) => product * dim)).map(
    (_, i) => 2 * Math.sin(i * seed),
  );
}

const unavailable = (detail: RegExp) => ({
  reason: { code: "model_unavailable", detail: expect.stringMatching(detail) },
});

describe("outputs", () => {
  test.each(["embedded", "small"])(
    "of the %s pack equal those of ONNX Runtime bit for bit",
    async (which) => {
      const pack = which === "small" ? small : embedded;
      const session = await load(new SimdEngine(kernels), pack);
      const read = (file: string) => readFile(path.join(pack.folder, file));
      const reference = await loadSession(pack.manifest, read, await nodeEngine("onnxruntime"));
      for (const seed of [1, 0.37, 12.9, 0]) {
        const tensor = input(pack.manifest, seed);
        expect(await session.run(tensor)).toEqual(await reference.run(tensor));
      }
      await reference.release();
    },
  );
});

describe("memory", () => {
  test("is that of the largest pack so far: a smaller one reuses it, and a released session refuses to run", async () => {
    const engine = new SimdEngine(kernels);
    expect([engine.heapBytes(), engine.starts]).toEqual([0, 0]);
    const first = await load(engine, small);
    const smallBytes = engine.heapBytes();
    const expected = await first.run(input(small.manifest));
    await first.release();
    await expect(first.run(input(small.manifest))).rejects.toThrow(/was released/);
    await load(engine, embedded);
    const bytes = engine.heapBytes();
    expect(bytes).toBeGreaterThan(smallBytes);
    expect(bytes).toBeLessThanOrEqual(24 * 2 ** 20);
    const again = await load(engine, small);
    expect(await again.run(input(small.manifest))).toEqual(expected);
    await load(engine, embedded);
    expect(engine.heapBytes()).toBe(bytes);
    expect(engine.starts).toBe(1);
    await expect(again.run(input(small.manifest))).rejects.toThrow(/was released/);
  });

  test("of shards in the JS heap stays within the budget: at most four reads at once, which are freed", async () => {
    let [reading, most, held, mostHeld] = [0, 0, 0, 0];
    const all: Uint8Array[] = [];
    const shards = embedded.manifest.shards;
    await load(new SimdEngine(kernels), embedded, {
      readShard: async (shard) => {
        most = Math.max(most, ++reading);
        held += shard.bytes;
        mostHeld = Math.max(mostHeld, held);
        const bytes = await shardReader(embedded)(shard);
        reading--;
        all.push(bytes);
        return bytes;
      },
      onProgress: () => {
        held -= shards[all.findLastIndex(({ length }) => length === 0)]?.bytes ?? 0;
      },
    });
    expect(most).toBe(4);
    expect(mostHeld).toBeLessThanOrEqual(engineBudget.simd.loadingBytes);
    expect(all.map(({ length }) => length)).toEqual(shards.map(() => 0));
  });
});

describe("failures", () => {
  test("a read that fails ends the load after the reads that it began, whose bytes are freed", async () => {
    const started: string[] = [];
    const late: Uint8Array[] = [];
    const engine = new SimdEngine(kernels);
    const attempt = load(engine, embedded, {
      readShard: async (shard) => {
        started.push(shard.file);
        if (shard.file === "shard-01.onnx") throw new Error("no bucket");
        const bytes = await shardReader(embedded)(shard);
        late.push(bytes);
        return bytes;
      },
    });
    await expect(attempt).rejects.toThrow("no bucket");
    expect(started.length).toBeLessThanOrEqual(embedded.manifest.shards.length);
    expect(late).toHaveLength(started.length - 1);
    expect(late.map(({ length }) => length)).toEqual(late.map(() => 0));
    const session = await load(engine, small);
    expect((await session.run(input(small.manifest))).logits).toHaveLength(small.manifest.classes);
  });

  test("an aborted load stops, and a load that begins meanwhile owns the memory", async () => {
    const controller = new AbortController();
    const engine = new SimdEngine(kernels);
    const aborted = load(engine, embedded, {
      signal: controller.signal,
      onProgress: () => controller.abort(),
    });
    await expect(aborted).rejects.toThrow(/abort/i);
    const [slow, fast] = [load(engine, embedded), load(engine, small)];
    await expect(slow).rejects.toThrow(/was released/);
    const session = await fast;
    expect((await session.run(input(small.manifest))).features).toHaveLength(small.manifest.feature_size);
  });

  test("a trap is an error, and the next load gets an instance that works, in the same memory", async () => {
    const engine = new SimdEngine(trapping(kernels, { calls: 500 }));
    const session = await load(engine, embedded);
    const bytes = engine.heapBytes();
    const tensor = input(embedded.manifest);
    await expect(session.run(tensor)).rejects.toThrow(WebAssembly.RuntimeError);
    await expect(session.run(tensor)).rejects.toThrow(/was released/);
    const again = await load(engine, embedded);
    expect([engine.starts, engine.heapBytes()]).toEqual([2, bytes]);
    const fresh = await load(new SimdEngine(kernels), embedded);
    expect(await again.run(tensor)).toEqual(await fresh.run(tensor));
  });

  test("weights that give no finite output are model_unavailable", async () => {
    const session = await load(new SimdEngine(kernels), small, {
      readShard: async (shard) => {
        const graph = readOnnx(await shardReader(small)(shard));
        for (const [name, tensor] of graph.initializers)
          if (name.endsWith(".factor")) (tensor.data as Float32Array).fill(Number.NaN);
        return writeOnnx(graph);
      },
    });
    await expect(session.run(input(small.manifest))).rejects.toMatchObject(unavailable(/not finite/));
  });

  test("a file that is not ONNX is model_unavailable, and names the file", async () => {
    const attempt = load(new SimdEngine(kernels), small, {
      readShard: async () => new Uint8Array(100).fill(7),
    });
    await expect(attempt).rejects.toMatchObject(unavailable(/shard-00\.onnx is not an ONNX file/));
  });

  test("a model that is larger than the isolate is model_unavailable, not the end of the isolate", async () => {
    const shape = [1, 3, 20_000, 20_000];
    const manifest = { ...small.manifest, input: { ...small.manifest.input, shape } };
    const attempt = new SimdEngine(kernels).load(manifest, { readShard: shardReader(small) });
    await expect(attempt).rejects.toMatchObject(unavailable(/does not fit into the engine's memory/));
  });

  test("a graph in float32 is refused by its first convolution, before its weights take memory", async () => {
    const engine = new SimdEngine(kernels);
    const attempt = load(engine, small, {
      readShard: async (shard) => {
        const graph = readOnnx(await shardReader(small)(shard));
        const nodes = graph.nodes.map((node) => (node.op === "QLinearConv" ? { ...node, op: "Conv" } : node));
        return writeOnnx({ ...graph, nodes });
      },
    });
    await expect(attempt).rejects.toThrow(UnsupportedGraphError);
    await expect(attempt).rejects.toThrow(/the node stem has the operator Conv/);
    expect(engine.heapBytes()).toBeLessThanOrEqual(2 ** 20);
  });
});

/** Returns a module whose first instance traps at a later call of `multiply`. */
function trapping(module: WebAssembly.Module, { calls }: { calls: number }): WebAssembly.Module {
  // SimdEngine only hands the module to WebAssembly.Instance, which this test replaces for one instance.
  const { Instance } = WebAssembly;
  WebAssembly.Instance = class extends Instance {
    constructor(source: WebAssembly.Module, imports?: WebAssembly.Imports) {
      super(source, imports);
      WebAssembly.Instance = Instance;
      let left = calls;
      const multiply = this.exports.multiply as (...args: number[]) => void;
      const trap = (...args: number[]) => multiply(...(left-- > 0 ? args : [2 ** 31, ...args.slice(1)]));
      Object.defineProperty(this, "exports", { value: { ...this.exports, multiply: trap } });
    }
  };
  return module;
}

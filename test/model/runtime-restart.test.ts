/** After a trap in the real onnxruntime-web, a new environment in the same memory gives the same numbers. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type LocalPack, packsFolder, readLocalPack } from "../../cli/store/local-pack.ts";
import { defaultModelName } from "../../src/default-model.ts";
import { createRuntime, type Runtime } from "../../src/model/runtime.ts";
import { ShardedSession } from "../../src/model/sharded-session.ts";
import { compileOrtWasm } from "../support/ort-wasm.ts";

const { Instance } = WebAssembly;
const input = new Float32Array(3 * 96 * 96).map((_, i) => Math.sin(i));
const memories: WebAssembly.Memory[] = [];
let runtime: Runtime;
let pack: LocalPack;

beforeAll(async () => {
  // The runtime does not expose its memory, so the test intercepts it to overwrite it.
  WebAssembly.Instance = class extends Instance {
    constructor(module: WebAssembly.Module, imports: WebAssembly.Imports = {}) {
      super(module, imports);
      for (const value of Object.values(imports.a ?? {})) {
        if (value instanceof WebAssembly.Memory) memories.push(value);
      }
    }
  };
  runtime = createRuntime(await compileOrtWasm());
  pack = await readLocalPack(path.join(packsFolder, defaultModelName));
});

afterAll(() => {
  WebAssembly.Instance = Instance;
});

const load = () =>
  ShardedSession.load(pack.manifest, {
    runtime,
    readShard: async ({ file }) => new Uint8Array(await readFile(path.join(pack.folder, file))),
  });

test("an overwritten heap traps, and the next load gives the same numbers in the same memory, five times", async () => {
  const first = await load();
  const expected = await first.run(input);
  const heapBytes = runtime.heapBytes();
  let session = first;
  for (let restarts = 1; restarts <= 5; restarts++) {
    new Uint8Array(memories[0]!.buffer).fill(0xff);
    await expect(session.run(input)).rejects.toThrow(WebAssembly.RuntimeError);
    await expect(session.run(input)).rejects.toThrow("environment is gone");
    const old = session;
    session = await load();
    expect(runtime.starts).toBe(1 + restarts);
    expect(await session.run(input)).toEqual(expected);
    // The old session's pointers now refer to memory of the new one.
    await old.release();
    await expect(old.run(input)).rejects.toThrow("environment is gone");
    expect(await session.run(input)).toEqual(expected);
  }
  expect(new Set(memories).size).toBe(1);
  expect(runtime.heapBytes()).toBe(heapBytes);
});

test("a model that ONNX Runtime refuses does not restart the environment", async () => {
  const { starts } = runtime;
  await expect(runtime.createSession(new Uint8Array(100).fill(1))).rejects.toThrow(/ERROR_CODE|protobuf/i);
  await (await load()).release();
  expect(runtime.starts).toBe(starts);
});

/**
 * The engine of this project: runs the int8 graphs of the packer, and nothing else, with the kernels of assembly/. Its
 * outputs equal those of ONNX Runtime bit for bit. docs/engine.md explains it.
 */
import { freeBytes } from "../../bytes/byte-arrays.ts";
import { ClassifierError } from "../../errors.ts";
import { engineBudget } from "../../limits.ts";
import {
  type Engine,
  type LoadOptions,
  type ModelOutput,
  type ModelSession,
  stopwatch,
  UnsupportedGraphError,
} from "../engine.ts";
import type { Manifest, Shard } from "../manifest.ts";
import { checkedOutput } from "../scores.ts";
import { modelUnavailable } from "../unavailable.ts";
import { createKernels, EngineMemory, type Kernels } from "./kernels.ts";
import { readOnnx } from "./onnx-file.ts";
import { type Operation, readOperations } from "./operations.ts";
import { type Plan, planNetwork } from "./plan.ts";

/** A Worker may have six connections open at once. The others are for requests. */
const maxParallelReads = 4;

/** Creates the engine. Instantiates nothing before the first load. */
export class SimdEngine implements Engine {
  readonly name = "simd";
  readonly #wasm: WebAssembly.Module;
  #memory: EngineMemory | undefined;
  #kernels: Kernels | undefined;
  #starts = 0;
  /** The session that owns the memory. */
  #owner: object | undefined;

  /** @param wasm the compiled kernels.wasm */
  constructor(wasm: WebAssembly.Module) {
    this.#wasm = wasm;
  }

  get starts(): number {
    return this.#starts;
  }

  heapBytes(): number {
    return this.#memory?.bytes ?? 0;
  }

  async load(manifest: Manifest, options: LoadOptions): Promise<ModelSession> {
    const owner = {};
    this.#owner = owner;
    this.#memory ??= new EngineMemory();
    const memory = this.#memory;
    memory.clear();
    const operations: Operation[] = [];
    const times = { read_ms: [] as number[], order_ms: [] as number[] };
    const lapMs = stopwatch();
    for await (const bytes of readAhead(manifest.shards, options)) {
      this.#requireOwner(owner);
      times.read_ms.push(lapMs());
      const graph = readGraph(bytes, manifest.shards[times.order_ms.length]);
      operations.push(
        ...this.#loading((kernels) => readOperations(graph, manifest.input.name, memory, kernels)),
      );
      freeBytes(bytes);
      times.order_ms.push(lapMs());
      options.onProgress?.();
    }
    this.#requireOwner(owner);
    const { logits, features } = manifest.outputs;
    const plan = this.#loading(() => planNetwork(operations, manifest.input, [logits, features], memory));
    return {
      shards: manifest.shards.length,
      times,
      run: async (input) => {
        this.#requireOwner(owner);
        return this.#guarded((kernels) => runPlan(plan, manifest, input, memory, kernels));
      },
      release: async () => {
        if (this.#owner === owner) this.#owner = undefined;
      },
    };
  }

  /** Another load clears the memory, for example when the request of this one was cancelled. */
  #requireOwner(owner: object): void {
    if (this.#owner !== owner) throw modelUnavailable("the model was released; send the request again");
  }

  /** Runs one step of loading. @throws ClassifierError model_unavailable, or UnsupportedGraphError */
  #loading<T>(call: (kernels: Kernels) => T): T {
    try {
      return this.#guarded(call);
    } catch (error) {
      if (error instanceof UnsupportedGraphError || error instanceof ClassifierError) throw error;
      throw modelUnavailable("the model does not load in the SIMD engine; pack and push again", error);
    }
  }

  /** Runs kernels. After a trap, the next call gets a new instance in the same memory. */
  #guarded<T>(call: (kernels: Kernels) => T): T {
    if (this.#kernels === undefined) {
      this.#kernels = createKernels(this.#wasm, this.#memory as EngineMemory);
      this.#starts++;
    }
    try {
      return call(this.#kernels);
    } catch (error) {
      if (error instanceof UnsupportedGraphError) throw error;
      if (error instanceof WebAssembly.RuntimeError) {
        this.#kernels = undefined;
        this.#owner = undefined;
      }
      if (error instanceof RangeError)
        throw modelUnavailable("the model does not fit into the engine's memory", error);
      throw error;
    }
  }
}

function runPlan(
  plan: Plan,
  manifest: Manifest,
  input: Float32Array,
  memory: EngineMemory,
  kernels: Kernels,
): ModelOutput {
  const { buffer } = memory.wasm;
  new Float32Array(buffer, plan.input, input.length).set(input);
  for (const step of plan.steps) step.run(kernels);
  const output = (name: string, length: number) =>
    checkedOutput(name, new Float32Array(buffer, plan.outputs.get(name), length).slice(), length);
  return {
    logits: output(manifest.outputs.logits, manifest.classes),
    features: output(manifest.outputs.features, manifest.feature_size),
  };
}

function readGraph(bytes: Uint8Array, shard: Shard | undefined) {
  try {
    return readOnnx(bytes);
  } catch (cause) {
    throw modelUnavailable(`${shard?.file} is not an ONNX file; pack and push again`, cause);
  }
}

/**
 * Yields the bytes of all shards in their order. Reads and hashes several at once, as many as the memory budget has room
 * for.
 */
async function* readAhead(
  shards: readonly Shard[],
  { readShard, signal }: LoadOptions,
): AsyncGenerator<Uint8Array> {
  const reads: Promise<Uint8Array>[] = [];
  let pendingBytes = 0;
  let next = 0;
  try {
    for (const shard of shards) {
      signal?.throwIfAborted();
      while (next < shards.length && reads.length < maxParallelReads) {
        const { bytes } = shards[next] as Shard;
        if (reads.length > 0 && pendingBytes + bytes > engineBudget.simd.loadingBytes) break;
        const read = readShard(shards[next++] as Shard);
        // It is awaited later, or never if another read fails.
        read.catch(() => {});
        reads.push(read);
        pendingBytes += bytes;
      }
      yield (await reads.shift()) as Uint8Array;
      pendingBytes -= shard.bytes;
    }
  } finally {
    // After a failure, waits for the other reads. Reads that outlive their request may never settle.
    await Promise.all(reads.map((read) => read.then(freeBytes, () => {})));
  }
}

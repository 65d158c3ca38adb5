/**
 * ONNX Runtime Web on one thread. The only file that imports onnxruntime-web, and the only one that knows how a
 * precompiled WebAssembly.Module is handed to it: workerd forbids compiling bytes, and the public API takes
 * nothing else. test/model/runtime.test.ts proves that the hook still holds for the pinned version.
 */
import * as ort from "onnxruntime-web/wasm";
import { maxWarmUpValues } from "../limits.ts";
import { ReplaceableInstance } from "./replaceable-instance.ts";

/** A tensor in JS memory: `data` (Float32Array or Uint8Array), `dims`, `type`. */
export type Tensor = ort.Tensor;

/** One ONNX graph, ready to run. Runs of one session must not overlap: see RunQueue. */
export interface Session {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  run(feeds: Readonly<Record<string, Tensor>>): Promise<Readonly<Record<string, Tensor>>>;
  /**
   * The isolate's first run, on zeros, its result dropped; nothing where one has been, where a shape is not fixed, or large. V8
   * starts each WASM function in a quick and slow version and compiles those that are called often anew, meanwhile, on
   * another thread: whoever runs a small graph early finds the kernels fast when the whole is run.
   */
  warmUp(): Promise<void>;
  /** Gives the session's memory back to ORT's allocator; the WASM heap itself never shrinks. */
  release(): Promise<void>;
}

export interface Runtime {
  /**
   * Makes ORT's environment, so that it can be done while the first shard is still being read. Idempotent; after a trap
   * it makes another one, in the same memory, and the sessions of the old one are void.
   */
  start(): Promise<void>;
  /** Environments made so far: more than one tells of traps. */
  readonly starts: number;
  /** Copies `model` (a serialised ONNX ModelProto) into the WASM heap and prepares it. Rejects with ORT's message. */
  createSession(model: Uint8Array): Promise<Session>;
  float32(data: Float32Array, dims: readonly number[]): Tensor;
  /** Bytes of the WASM heap, 0 before the first session. */
  heapBytes(): number;
}

const sessionOptions: ort.InferenceSession.SessionOptions = {
  executionProviders: ["wasm"],
  executionMode: "sequential",
  // Shards hold their graph in its final form, so rewriting it here only costs time and heap: 57.6 instead of
  // 48.0 MiB for the embedded pack.
  graphOptimizationLevel: "disabled",
  // Without the arena, shards and their activations share one free list instead of keeping each its own peak.
  enableCpuMemArena: false,
  enableMemPattern: false,
  logSeverityLevel: 3,
};

/** ORT only checks that this is there; the hook below never reads it. */
const placeholderBinary = new Uint8Array([0]);

/** The smallest model (opset 13, y = Identity(x), float32 [1]): the public API starts ORT with a session only. */
const identityModel = Uint8Array.from(
  atob("CAc6NwoQCgF4EgF5IghJZGVudGl0eRIBZ1oPCgF4EgoKCAgBEgQKAggBYg8KAXkSCgoICAESBAoCCAFCBAoAEA0="),
  (character) => character.charCodeAt(0),
);

/**
 * ORT keeps one WASM instance for the whole isolate, so there is one Runtime: calls after the first return it.
 * Nothing is instantiated before start() or the first session.
 * @param wasm the compiled onnxruntime-web/ort-wasm-simd-threaded.wasm of the same version
 */
export function createRuntime(wasm: WebAssembly.Module): Runtime {
  runtime ??= new OrtRuntime(wasm);
  return runtime;
}

let runtime: OrtRuntime | undefined;

class OrtRuntime implements Runtime {
  readonly #wasm: WebAssembly.Module;
  #memory: WebAssembly.Memory | undefined;
  #instance: ReplaceableInstance | undefined;
  #started: Promise<void> | undefined;
  #starts = 0;
  #hasRun = false;
  /** A trap has left the environment in an unknown state: nothing of it is used any more. */
  #broken = false;

  constructor(wasm: WebAssembly.Module) {
    this.#wasm = wasm;
  }

  get starts(): number {
    return this.#starts;
  }

  async start(): Promise<void> {
    // A failed start is tried again by the next caller; ORT says what it thinks of that.
    this.#started ??= this.#start().catch((error: unknown) => {
      this.#started = undefined;
      throw error;
    });
    await this.#started;
    if (!this.#broken) return;
    // Synchronous: no other request sees it half made.
    this.#instance?.replace();
    this.#starts++;
    this.#broken = false;
  }

  async createSession(model: Uint8Array): Promise<Session> {
    await this.start();
    const session = await this.#guarded(() => ort.InferenceSession.create(model, sessionOptions));
    const environment = this.#starts;
    const alive = () => environment === this.#starts && !this.#broken;
    const run: Session["run"] = async (feeds) => {
      if (!alive()) throw new Error("the session's environment is gone");
      this.#hasRun = true;
      return this.#guarded(() => session.run(feeds));
    };
    return {
      inputNames: session.inputNames,
      outputNames: session.outputNames,
      run,
      warmUp: async () => {
        const feeds = this.#hasRun ? undefined : zeros(session.inputMetadata);
        if (feeds) await run(feeds);
      },
      release: async () => {
        // What it points to is not its own any more.
        if (alive()) await this.#guarded(() => session.release());
      },
    };
  }

  float32(data: Float32Array, dims: readonly number[]): Tensor {
    return new ort.Tensor("float32", data, dims);
  }

  heapBytes(): number {
    return this.#memory?.buffer.byteLength ?? 0;
  }

  async #guarded<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      if (isTrap(error)) this.#broken = true;
      throw error;
    }
  }

  /**
   * Instantiates ORT with our module in place of the bytes that it would compile. Everything up to the
   * instantiation is microtasks, so no other request runs while the function is replaced.
   */
  async #start(): Promise<void> {
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmBinary = placeholderBinary.buffer;
    const original = WebAssembly.instantiate;
    const hook = async (source: unknown, imports: WebAssembly.Imports) => {
      if (source instanceof WebAssembly.Module) return original(source, imports);
      const memory = findMemory(imports);
      if (!memory) throw new Error("onnxruntime-web imports no memory; expected that of the pinned version");
      growSparingly(memory);
      this.#memory = memory;
      this.#instance = new ReplaceableInstance(this.#wasm, imports, memory);
      return { module: this.#wasm, instance: { exports: this.#instance.exports } };
    };
    WebAssembly.instantiate = hook as typeof WebAssembly.instantiate;
    try {
      const session = await ort.InferenceSession.create(identityModel, sessionOptions);
      this.#starts = 1;
      await session.release();
    } finally {
      WebAssembly.instantiate = original;
    }
  }
}

/** Inputs of a session's declared types and shapes; undefined where one is not fixed, too large, or of a type that no pack has. */
function zeros(inputs: ort.InferenceSession["inputMetadata"]): Record<string, Tensor> | undefined {
  const feeds: Record<string, Tensor> = {};
  for (const input of inputs) {
    if (!input.isTensor) return undefined;
    const dims = input.shape.filter((dimension) => typeof dimension === "number");
    if (dims.length < input.shape.length) return undefined;
    const length = dims.reduce((product, dimension) => product * dimension, 1);
    if (length > maxWarmUpValues) return undefined;
    if (input.type === "float32")
      feeds[input.name] = new ort.Tensor("float32", new Float32Array(length), dims);
    else if (input.type === "uint8")
      feeds[input.name] = new ort.Tensor("uint8", new Uint8Array(length), dims);
    else return undefined;
  }
  return feeds;
}

/** ORT's own errors are plain ones. A trap, an abort, a full stack or a C++ exception that nobody caught is not. */
function isTrap(error: unknown): boolean {
  if (!(error instanceof Error)) return true;
  return error instanceof WebAssembly.RuntimeError || error instanceof RangeError;
}

/**
 * Emscripten asks for 20% more than it has, then 10%, then 5%, each only if the one before is refused; and what it
 * gets is never given back. Refusing twice makes the heap end close to what the model needs.
 */
function growSparingly(memory: WebAssembly.Memory): void {
  const grow = memory.grow.bind(memory);
  let refusedAtBytes = 0;
  let refusals = 0;
  memory.grow = (pages) => {
    if (memory.buffer.byteLength !== refusedAtBytes) {
      refusedAtBytes = memory.buffer.byteLength;
      refusals = 0;
    }
    if (refusals++ < 2) throw new RangeError("ask for less");
    return grow(pages);
  };
}

function findMemory(imports: WebAssembly.Imports): WebAssembly.Memory | undefined {
  for (const namespace of Object.values(imports)) {
    for (const value of Object.values(namespace)) {
      if (value instanceof WebAssembly.Memory) return value;
    }
  }
  return undefined;
}

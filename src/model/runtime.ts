/**
 * ONNX Runtime Web on one thread. Only this file imports onnxruntime-web and passes it a precompiled WebAssembly.Module:
 * workerd forbids compiling bytes, but the public API accepts only bytes. test/model/runtime.test.ts checks that the hook
 * works with the pinned version.
 */
import * as ort from "onnxruntime-web/wasm";

/** Values that a warm-up may allocate: a last shard takes 25,088 at 224 pixels, but a file can declare any shape. */
const maxWarmUpValues = 1024 * 1024;

/** A tensor in JS memory: `data` (Float32Array or Uint8Array), `dims`, `type`. */
export type Tensor = ort.Tensor;

/** One ONNX graph, ready to run. Runs of one session must not overlap: see RunQueue. */
export interface Session {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  run(feeds: Readonly<Record<string, Tensor>>): Promise<Readonly<Record<string, Tensor>>>;
  /**
   * Runs the session on zeros and drops the result. Does nothing after the isolate's first run, or if an input's shape is
   * large or not fixed. V8 starts each WASM function in slow code and recompiles hot ones on another thread. Running a
   * small graph early makes the kernels fast by the time that the whole model runs.
   */
  warmUp(): Promise<void>;
  /** Returns the session's memory to ORT's allocator. The WASM heap itself never shrinks. */
  release(): Promise<void>;
}

/** ONNX Runtime. One per isolate. */
export interface Runtime {
  /**
   * Creates ORT's environment, so that this can overlap with reading the first shard. Idempotent. After a trap it creates
   * another environment in the same memory, and all sessions of the old one are void.
   */
  start(): Promise<void>;
  /** Environments created so far. More than one means that there were traps. */
  readonly starts: number;
  /** Copies `model`, a serialised ONNX ModelProto, into the WASM heap and prepares it. Rejects with ORT's error. */
  createSession(model: Uint8Array): Promise<Session>;
  /** Creates a tensor. */
  float32(data: Float32Array, dims: readonly number[]): Tensor;
  /** Bytes of the WASM heap. 0 before the start. */
  heapBytes(): number;
}

const sessionOptions: ort.InferenceSession.SessionOptions = {
  executionProviders: ["wasm"],
  executionMode: "sequential",
  // Shards contain their final graph. Optimising it again costs time and heap: 57.6 instead of 48.0 MiB for a
  // ResNet34 at 64 pixels.
  graphOptimizationLevel: "disabled",
  // Without the arena, shards and their activations share one free list; with it, each keeps its own peak.
  enableCpuMemArena: false,
  enableMemPattern: false,
  logSeverityLevel: 3,
};

/** ORT requires a binary, but the hook below does not read it. */
const placeholderBinary = new Uint8Array([0]);

/** The smallest model (opset 13, y = Identity(x), float32 [1]). The public API starts ORT only by creating a session. */
const identityModel = Uint8Array.from(
  atob("CAc6NwoQCgF4EgF5IghJZGVudGl0eRIBZ1oPCgF4EgoKCAgBEgQKAggBYg8KAXkSCgoICAESBAoCCAFCBAoAEA0="),
  (character) => character.charCodeAt(0),
);

/**
 * Returns the isolate's only Runtime, because ORT keeps one WASM instance per isolate. Instantiates nothing before start()
 * or the first session.
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
  /** A trap has left the environment in an unknown state. It must not be used any more. */
  #broken = false;

  constructor(wasm: WebAssembly.Module) {
    this.#wasm = wasm;
  }

  get starts(): number {
    return this.#starts;
  }

  async start(): Promise<void> {
    // The next caller tries a failed start again. ORT itself refuses a second start, with its own message.
    this.#started ??= this.#start().catch((error: unknown) => {
      this.#started = undefined;
      throw error;
    });
    await this.#started;
    if (!this.#broken) return;
    // Synchronous, so no other request sees a half-initialised environment.
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
        // After a restart, its pointers refer to memory of other sessions.
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
   * Instantiates ORT with the precompiled module instead of the bytes that it would compile. ORT reaches the instantiation
   * in microtasks, so no other request runs while WebAssembly.instantiate is replaced.
   */
  async #start(): Promise<void> {
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmBinary = placeholderBinary.buffer;
    const original = WebAssembly.instantiate;
    const hook = async (source: unknown, imports: WebAssembly.Imports) => {
      if (source instanceof WebAssembly.Module) return original(source, imports);
      const memory = findMemory(imports);
      if (!memory)
        throw new Error("onnxruntime-web imports no memory; expected the pinned version, which does");
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

/** Zeros for all inputs of a session. Undefined if a shape is large or not fixed, or has a type that no pack uses. */
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

/** ORT throws its own errors as plain Errors. Traps, aborts, stack overflows and uncaught C++ exceptions are others. */
function isTrap(error: unknown): boolean {
  if (!(error instanceof Error)) return true;
  return error instanceof WebAssembly.RuntimeError || error instanceof RangeError;
}

/**
 * Emscripten grows the heap by 20%, and by 10% or 5% if the larger step fails. The heap never shrinks, so refusing the two
 * larger steps keeps it close to what the model needs.
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
    if (refusals++ < 2) throw new RangeError("refused; a smaller step follows");
    return grow(pages);
  };
}

function findMemory(imports: WebAssembly.Imports): WebAssembly.Memory | undefined {
  const values = Object.values(imports).flatMap((namespace) => Object.values(namespace));
  return values.find((value) => value instanceof WebAssembly.Memory);
}

type Callable = (...args: readonly unknown[]) => unknown;

/** A call by which the glue initialises an instance. */
interface FirstCall {
  readonly name: string;
  readonly args: readonly unknown[];
  readonly result: unknown;
}
/** The constructors, then the creation of ORT's environment. */
const firstCalls = 2;

/**
 * A WebAssembly instance under Emscripten's glue code that can be replaced in the same memory. A trap leaves an instance in
 * an unknown state, but the glue stays bound to the exports that it received first. So it receives functions that forward
 * each call to the current instance. A second glue with its own memory would not fit into the isolate: WASM memories never
 * shrink, and the glue keeps the first one.
 */
class ReplaceableInstance {
  /** Forwards to the current instance's exports: functions, and tables with `get` only. */
  readonly exports: WebAssembly.Exports;
  readonly #module: WebAssembly.Module;
  readonly #imports: WebAssembly.Imports;
  readonly #memory: WebAssembly.Memory;
  readonly #first: FirstCall[] = [];
  #depth = 0;
  #instance: WebAssembly.Instance;

  /** @param memory the imported memory, also part of `imports` */
  constructor(module: WebAssembly.Module, imports: WebAssembly.Imports, memory: WebAssembly.Memory) {
    this.#module = module;
    this.#imports = imports;
    this.#memory = memory;
    this.#instance = new WebAssembly.Instance(module, imports);
    const entries = Object.entries(this.#instance.exports).map(([name, value]) => [
      name,
      value instanceof WebAssembly.Table ? this.#table(name) : this.#function(name),
    ]);
    this.exports = Object.fromEntries(entries) as WebAssembly.Exports;
  }

  /**
   * Starts again: clears the memory, whose size stays, creates another instance and repeats the first calls. All pointers
   * into the memory become invalid.
   * @throws Error if the module cannot be initialised again
   */
  replace(): void {
    if (this.#first.length < firstCalls)
      throw new Error("it cannot be replaced before its first initialisation");
    new Uint8Array(this.#memory.buffer).fill(0);
    this.#instance = new WebAssembly.Instance(this.#module, this.#imports);
    for (const { name, args, result } of this.#first) {
      const again = this.#call(name, args);
      if (again !== result)
        throw new Error(`${name} returned ${String(again)}; expected ${String(result)}, as the first time`);
    }
  }

  #call(name: string, args: readonly unknown[]): unknown {
    return (this.#instance.exports[name] as Callable)(...args);
  }

  /** Forwards calls to the function that `find` returns for the current instance. */
  #forward(find: (exports: WebAssembly.Exports) => unknown): Callable {
    let owner: WebAssembly.Instance | undefined;
    let current: Callable;
    return (...args) => {
      if (owner !== this.#instance) {
        owner = this.#instance;
        current = find(owner.exports) as Callable;
      }
      return current(...args);
    };
  }

  #function(name: string): Callable {
    const call = this.#forward((exports) => exports[name]);
    return (...args) => {
      if (this.#first.length >= firstCalls || this.#depth > 0) return call(...args);
      // Records only the glue's own calls, not the calls that they cause.
      this.#depth++;
      try {
        const result = call(...args);
        this.#first.push({ name, args, result });
        return result;
      } finally {
        this.#depth--;
      }
    };
  }

  /** The glue keeps the functions that it gets from a table and calls them thousands of times per run. */
  #table(name: string): Pick<WebAssembly.Table, "get"> {
    return { get: (index) => this.#forward((exports) => (exports[name] as WebAssembly.Table).get(index)) };
  }
}

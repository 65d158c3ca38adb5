/** onnxruntime-node: the float32 reference, and a faster runtime for packs. No other file of cli/ imports it. */
import { InferenceSession, Tensor } from "onnxruntime-node";
import type { Runtime } from "../../src/model/runtime.ts";

/** A loaded model with one input. */
export interface NativeSession {
  /** Runs on float32 data of the given shape; returns every output by name. */
  run(data: Float32Array, dims: readonly number[]): Promise<Map<string, NativeOutput>>;
  release(): Promise<void>;
}

/** A float32 output. */
export interface NativeOutput {
  data: Float32Array;
  dims: readonly number[];
}

/**
 * Loads a model.
 * @param threads 0 uses every core; 1 gives the same sums on every machine with the same instruction set.
 */
export async function nativeSession(model: Uint8Array, threads = 0): Promise<NativeSession> {
  const session = await InferenceSession.create(model, { intraOpNumThreads: threads, logSeverityLevel: 3 });
  const [input = ""] = session.inputNames;
  return {
    async run(data, dims) {
      const results = await session.run({ [input]: new Tensor("float32", data, dims) });
      return new Map(Object.entries(results) as unknown as [string, NativeOutput][]);
    },
    release: () => session.release(),
  };
}

/**
 * Native ONNX Runtime in place of the Worker's. It uses every core. Its sums of int8 products saturate on x86 processors
 * without VNNI (https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html), so compare its outputs with
 * the Worker's before you use them.
 */
export const nativeRuntime: Runtime = {
  start: async () => {},
  starts: 1,
  async createSession(model) {
    const session = await InferenceSession.create(model, {
      logSeverityLevel: 3,
      // Threads that spin between the small layers of a shard take the cores from each other: six times slower on two
      // busy cores.
      extra: { session: { intra_op: { allow_spinning: "0" } } },
    });
    return {
      inputNames: session.inputNames,
      outputNames: session.outputNames,
      run: (feeds) => session.run(feeds),
      warmUp: async () => {},
      release: () => session.release(),
    };
  },
  float32: (data, dims) => new Tensor("float32", data, dims),
  heapBytes: () => 0,
};

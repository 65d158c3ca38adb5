/** onnxruntime-node, the float32 reference. No other tool imports it. */
import { InferenceSession, Tensor } from "onnxruntime-node";

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

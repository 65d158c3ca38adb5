/** onnxruntime-node, the fp32 oracle. The sole importer of it among the tools. */
import { InferenceSession, Tensor } from "onnxruntime-node";

export interface NativeSession {
  /** Runs on float32 data of the given shape; gives every output by name. */
  run(data: Float32Array, dims: readonly number[]): Promise<Map<string, NativeOutput>>;
  release(): Promise<void>;
}

export interface NativeOutput {
  data: Float32Array;
  dims: readonly number[];
}

/** @param threads 1 gives the same sums on every machine with the same instruction set. */
export async function nativeSession(model: Uint8Array, threads = 0): Promise<NativeSession> {
  const session = await InferenceSession.create(model, { intraOpNumThreads: threads, logSeverityLevel: 3 });
  const [input = ""] = session.inputNames;
  return {
    async run(data, dims) {
      const results = await session.run({ [input]: new Tensor("float32", data, dims) });
      return new Map(
        Object.entries(results).map(([name, value]) => [
          name,
          { data: value.data as Float32Array, dims: value.dims },
        ]),
      );
    },
    release: () => session.release(),
  };
}

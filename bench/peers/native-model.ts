/** Measures onnxruntime-node on one thread: the limit that native code sets. */
import { readFile } from "node:fs/promises";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { fixedInput, type ModelAnswer, type ModelArgument, peakProcessBytes, timeEach } from "./timing.ts";

/** Loads the model and times its forward passes. */
export async function nativeModel({ file, size, times }: ModelArgument): Promise<ModelAnswer> {
  const startedMs = performance.now();
  const oneThread = { intraOpNumThreads: 1, interOpNumThreads: 1 };
  const session = await InferenceSession.create(await readFile(file), oneThread);
  const input = new Tensor("float32", fixedInput(size), [1, 3, size, size]);
  const run = () => session.run({ [session.inputNames[0]!]: input });
  await run();
  const coldMs = performance.now() - startedMs;
  return { coldMs, runMs: await timeEach(run, times), peakProcessBytes: await peakProcessBytes() };
}

/** onnxruntime-node on one thread: the native limit. */
import { readFile } from "node:fs/promises";
import { InferenceSession, Tensor } from "onnxruntime-node";
import {
  fixedInput,
  type ModelPeerAnswer,
  peakProcessBytes,
  peerAnswer,
  peerArgument,
  timeEach,
} from "./peer-io.ts";

const { file, size, times } = peerArgument<{ file: string; size: number; times: number }>();
const startedMs = performance.now();
const session = await InferenceSession.create(await readFile(file), {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
});
const input = new Tensor("float32", fixedInput(size), [1, 3, size, size]);
const run = () => session.run({ [session.inputNames[0]!]: input });
await run();
const coldMs = performance.now() - startedMs;
const runMs = await timeEach(run, times);
const peakBytes = await peakProcessBytes();
peerAnswer({ coldMs, runMs, peakProcessBytes: peakBytes } satisfies ModelPeerAnswer);

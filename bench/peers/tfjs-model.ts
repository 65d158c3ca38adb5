/** Measures TensorFlow.js with its WASM backend, SIMD, one thread. */
import { readFile } from "node:fs/promises";
import { setThreadsCount } from "@tensorflow/tfjs-backend-wasm";
import * as tf from "@tensorflow/tfjs-core";
import { readOnnx } from "../../cli/onnx/read.ts";
import { nativeSession } from "../../cli/pack/native.ts";
import { readResNet } from "../../cli/pack/read-resnet.ts";
import { tfjsResNet } from "./tfjs-resnet.ts";
import { fixedInput, type ModelAnswer, type ModelArgument, peakProcessBytes, timeEach } from "./timing.ts";

/**
 * Builds the network and times its forward passes.
 * @throws Error when its logits differ from onnxruntime-node's
 */
export async function tfjsModel({ file, size, times }: ModelArgument): Promise<ModelAnswer> {
  const model = await readFile(file);
  // Not timed: a user of TensorFlow.js has the weights in its own format.
  const net = readResNet(readOnnx(model));
  const input = fixedInput(size);

  const startedMs = performance.now();
  setThreadsCount(1);
  if (!(await tf.setBackend("wasm"))) throw new Error("TensorFlow.js has no WASM backend here");
  const forward = tfjsResNet(net);
  const logits = await forward(input, size);
  const coldMs = performance.now() - startedMs;
  const runMs = await timeEach(() => forward(input, size), times);
  const peakBytes = await peakProcessBytes();

  const session = await nativeSession(model, 1);
  const expected = [...(await session.run(input, [1, 3, size, size])).values()][0]!.data;
  const range = Math.max(...expected) - Math.min(...expected);
  const worst = Math.max(...logits.map((value, i) => Math.abs(value - expected[i]!)));
  const logitError = (1000 * worst) / range;
  if (logitError > 1) throw new Error(`its logits differ by ${logitError} thousandths: another network`);
  return { coldMs, runMs, peakProcessBytes: peakBytes, logitError };
}

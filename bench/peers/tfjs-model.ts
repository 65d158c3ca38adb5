/** Measures TensorFlow.js with its WASM backend, SIMD, one thread. */
import { readFile } from "node:fs/promises";
import { setThreadsCount } from "@tensorflow/tfjs-backend-wasm";
import * as tf from "@tensorflow/tfjs-core";
import { readOnnx } from "../../cli/onnx/file.ts";
import { nativeSession } from "../../cli/pack/native.ts";
import { readResNet } from "../../cli/pack/read-resnet.ts";
import type { ConvLayer, ResNet } from "../../cli/pack/resnet.ts";
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
  if (logitError > 1) {
    throw new Error(
      `the logits differ from onnxruntime-node's by ${logitError} thousandths, expected at most 1`,
    );
  }
  return { coldMs, runMs, peakProcessBytes: peakBytes, logitError };
}

/** Computes logits from a planar float32 tensor of shape [1, 3, size, size]. */
type Forward = (planar: Float32Array, size: number) => Promise<Float32Array>;

/** Uploads the weights, with BatchNorm folded into them, and returns the forward pass. */
function tfjsResNet(net: ResNet): Forward {
  const stem = convolution(net.stem);
  const blocks = net.blocks.map(({ convs, downsample }) => ({
    convs: convs.map(convolution),
    downsample: downsample ? convolution(downsample) : undefined,
  }));
  const { weight, bias, classes, features } = net.dense;
  const denseWeight = tf.tensor2d(weight, [classes, features]);
  const denseBias = tf.tensor1d(bias);
  const { pool } = net;

  const logits = (planar: tf.Tensor4D): tf.Tensor2D => {
    let x = stem(tf.transpose(planar, [0, 2, 3, 1]));
    if (pool) x = tf.maxPool(x, [...pool.kernel], [...pool.strides], pool.pads[0], "floor");
    for (const { convs, downsample } of blocks) {
      const shortcut = downsample ? downsample(x) : x;
      let branch = x;
      for (const conv of convs.slice(0, -1)) branch = conv(branch);
      x = convs.at(-1)!(branch, shortcut);
    }
    const pooled = tf.mean<tf.Tensor2D>(x, [1, 2]);
    return tf.add(tf.matMul(pooled, denseWeight, false, true), denseBias);
  };
  return async (planar, size) => {
    const output = tf.tidy(() => logits(tf.tensor4d(planar, [1, 3, size, size])));
    const data = (await output.data()) as Float32Array;
    output.dispose();
    return data;
  };
}

/** Convolution, bias and ReLU in one operation. With an addend, the ReLU follows the addition. */
function convolution({ weight, dims, bias, strides, pads, relu }: ConvLayer) {
  const filter = tf.tidy(() => tf.transpose(tf.tensor4d(weight, [...dims]), [2, 3, 1, 0]));
  const biases = tf.tensor1d(bias);
  return (x: tf.Tensor4D, addend?: tf.Tensor4D): tf.Tensor4D => {
    const y: tf.Tensor4D = tf.fused.conv2d({
      x,
      filter,
      strides: [...strides],
      pad: pads[0],
      dimRoundingMode: "floor",
      bias: biases,
      activation: relu ? "relu" : "linear",
    });
    return addend ? tf.relu(tf.add<tf.Tensor4D>(y, addend)) : y;
  };
}

/** ResNet in TensorFlow.js's operations, with the same float32 weights and BatchNorm folded into them. */
import * as tf from "@tensorflow/tfjs-core";
import type { ConvLayer, ResNet } from "../../cli/pack/resnet.ts";

/** Computes logits from a planar float32 tensor of shape [1, 3, size, size]. */
export type Forward = (planar: Float32Array, size: number) => Promise<Float32Array>;

type Layer = (x: tf.Tensor4D, addend?: tf.Tensor4D) => tf.Tensor4D;

/** Uploads the weights and returns the forward pass. */
export function tfjsResNet(net: ResNet): Forward {
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
function convolution({ weight, dims, bias, strides, pads, relu }: ConvLayer): Layer {
  const filter = tf.tidy(() => tf.transpose(tf.tensor4d(weight, [...dims]), [2, 3, 1, 0]));
  const biases = tf.tensor1d(bias);
  return (x, addend) => {
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

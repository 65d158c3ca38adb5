/** Reads Conv, BatchNormalization and Relu nodes as one folded layer, and MaxPool. */
import type { GraphNode } from "../onnx/graph.ts";
import type { ConvLayer, Window } from "./resnet.ts";
import { refuse, type Walker } from "./walker.ts";

/** A layer and the name of the value that it computes. */
export interface ReadConv {
  layer: ConvLayer;
  output: string;
}

/**
 * Reads the convolution at `node`, with the BatchNorm and the Relu that may follow it.
 * @throws CommandError for groups, dilations, automatic padding and unexpected shapes.
 */
export function readConv(walker: Walker, node: GraphNode, name: string): ReadConv {
  walker.expect(node, "Conv");
  const { dims, data } = walker.floatConstant(node, 1);
  const [outputs, inputs, height, width] = dims;
  if (dims.length !== 4 || !outputs || !inputs || !height || !width) {
    throw refuse(node, `has weights of shape [${dims.join(",")}]; expected [outputs,inputs,height,width]`);
  }
  const groups = walker.attribute(node, "int", "group", 1);
  if (groups !== 1) throw refuse(node, `has ${groups} groups, as in ResNeXt; expected 1`);
  const window = readWindow(walker, node);
  let bias = node.inputs.length > 2 ? walker.floatConstant(node, 2).data : null;
  let weight = data;
  let output = walker.output(node);

  let next = walker.next(output);
  if (next && walker.isOp(next, "BatchNormalization")) {
    ({ weight, bias } = foldBatchNorm(weight, bias, readBatchNorm(walker, next, outputs)));
    output = walker.output(next);
    next = walker.next(output);
  }
  const relu = next !== null && walker.isOp(next, "Relu");
  if (next && relu) output = walker.output(next);
  return {
    output,
    layer: {
      name,
      source: node.name,
      weight,
      dims: [outputs, inputs, height, width],
      bias: bias ?? new Float32Array(outputs),
      strides: window.strides,
      pads: window.pads,
      relu,
    },
  };
}

/**
 * Reads the parameters of a BatchNormalization for that many channels.
 * @throws CommandError in training mode, and for parameters of another length or not usable in inference.
 */
export function readBatchNorm(walker: Walker, node: GraphNode, outputs: number): BatchNorm {
  if (isInTrainingMode(walker, node)) {
    throw refuse(
      node,
      "is in training mode and would use the statistics of each image",
      "Export the model in inference mode; in PyTorch, call model.eval() before the export.",
    );
  }
  const read = (index: number) => walker.floatConstant(node, index).data;
  const [gamma, beta, mean, variance] = [read(1), read(2), read(3), read(4)];
  if ([gamma, beta, mean, variance].some((values) => values.length !== outputs)) {
    throw refuse(node, `has ${gamma.length} channels; expected ${outputs}, as its input has`);
  }
  walker.requireDefault(node, "int", "spatial", 1);
  const epsilon = walker.attribute(node, "float", "epsilon", 1e-5);
  const at = variance.findIndex((value) => !(value + epsilon > 0));
  if (at >= 0) {
    const problem = `has a variance of ${variance[at]} in channel ${at}; expected a positive one`;
    throw refuse(node, problem, "The file is damaged; download or export it again.");
  }
  return { gamma, beta, mean, variance, epsilon };
}

/** Operator set 14 introduced the attribute. Before it, outputs after the first one meant training mode. */
function isInTrainingMode(walker: Walker, node: GraphNode): boolean {
  const hasStatistics = node.outputs.slice(1).some((name) => name !== "");
  return hasStatistics || walker.attribute(node, "int", "training_mode", 0) !== 0;
}

/**
 * Reads the MaxPool of the stem at `node`.
 * @throws CommandError for another operator, dilations, automatic padding and rounding up.
 */
export function readMaxPool(walker: Walker, node: GraphNode): Window {
  walker.expect(node, "MaxPool");
  walker.requireDefault(node, "int", "ceil_mode", 0);
  return readWindow(walker, node);
}

function readWindow(walker: Walker, node: GraphNode): Window {
  const autoPad = walker.attribute(node, "string", "auto_pad", "NOTSET");
  if (autoPad !== "NOTSET" && autoPad !== "VALID") {
    throw refuse(node, `has auto_pad ${autoPad}; expected explicit pads`);
  }
  walker.requireDefault(node, "ints", "dilations", [1, 1]);
  const ints = (name: string, fallback: readonly number[]) => walker.attribute(node, "ints", name, fallback);
  const [kernelHeight = 1, kernelWidth = kernelHeight] = ints("kernel_shape", []);
  const [vertical = 1, horizontal = vertical] = ints("strides", [1, 1]);
  const [top = 0, left = top, bottom = top, right = left] = ints("pads", [0, 0, 0, 0]);
  return {
    kernel: [kernelHeight, kernelWidth],
    strides: [vertical, horizontal],
    pads: [top, left, bottom, right],
  };
}

/** Parameters of a BatchNorm in inference, one value per channel. */
export interface BatchNorm {
  gamma: Float32Array;
  beta: Float32Array;
  mean: Float32Array;
  variance: Float32Array;
  epsilon: number;
}

/**
 * Weights and bias of one convolution that computes what convolution and BatchNorm compute, per output channel, in float64:
 * w' = w * gamma / sqrt(variance + epsilon), b' = (b - mean) * gamma / sqrt(variance + epsilon) + beta.
 * @param weight [outputs, ...], row-major.
 * @param bias [outputs], or null for none.
 */
export function foldBatchNorm(
  weight: Float32Array,
  bias: Float32Array | null,
  norm: BatchNorm,
): { weight: Float32Array; bias: Float32Array } {
  const outputs = norm.gamma.length;
  const perOutput = weight.length / outputs;
  const foldedWeight = new Float32Array(weight.length);
  const foldedBias = new Float32Array(outputs);
  for (let o = 0; o < outputs; o++) {
    const factor = norm.gamma[o]! / Math.sqrt(norm.variance[o]! + norm.epsilon);
    for (let i = o * perOutput; i < (o + 1) * perOutput; i++) foldedWeight[i] = weight[i]! * factor;
    foldedBias[o] = ((bias?.[o] ?? 0) - norm.mean[o]!) * factor + norm.beta[o]!;
  }
  return { weight: foldedWeight, bias: foldedBias };
}

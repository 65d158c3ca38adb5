/** Reads Conv, BatchNormalization and Relu nodes as one folded layer, and MaxPool. */
import type { GraphNode } from "../onnx/graph.ts";
import { type BatchNorm, foldBatchNorm } from "./fold.ts";
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
  walker.requireDefault(node, "int", "group", 1);
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
      ...{ name, source: node.name, weight, dims: [outputs, inputs, height, width] as const, relu },
      ...{ bias: bias ?? new Float32Array(outputs), strides: window.strides, pads: window.pads },
    },
  };
}

function readBatchNorm(walker: Walker, node: GraphNode, outputs: number): BatchNorm {
  const read = (index: number) => walker.floatConstant(node, index).data;
  const [gamma, beta, mean, variance] = [read(1), read(2), read(3), read(4)];
  if ([gamma, beta, mean, variance].some((values) => values.length !== outputs)) {
    throw refuse(node, `does not have ${outputs} channels, unlike the convolution before it`);
  }
  walker.requireDefault(node, "int", "training_mode", 0);
  walker.requireDefault(node, "int", "spatial", 1);
  return { gamma, beta, mean, variance, epsilon: walker.attribute(node, "float", "epsilon", 1e-5) };
}

/**
 * Reads the MaxPool at `node`.
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

/** Conv, BatchNormalization and Relu nodes -> one folded layer. */
import type { GraphNode } from "../onnx/graph.ts";
import { type BatchNorm, foldBatchNorm } from "./fold.ts";
import type { ConvLayer, Pooling } from "./resnet.ts";
import { refuse, type Walker } from "./walker.ts";

/** A layer and the value in which it ends. */
export interface ReadConv {
  layer: ConvLayer;
  output: string;
}

/**
 * Reads the convolution at `node`, folds the BatchNorm that may follow, takes a Relu along.
 * @throws PackError for groups, dilations, asymmetric or automatic padding that differs, and for odd shapes.
 */
export function readConv(walker: Walker, node: GraphNode, name: string): ReadConv {
  walker.expect(node, "Conv");
  const { dims, data } = walker.floatConstant(node, 1);
  const [outputs, inputs, height, width] = dims;
  if (dims.length !== 4 || !outputs || !inputs || !height || !width) {
    throw refuse(node, `has weights of shape [${dims.join(",")}]; expected [outputs,inputs,height,width]`);
  }
  if (walker.int(node, "group", 1) !== 1) throw refuse(node, "is a grouped convolution; expected group 1");
  if (walker.ints(node, "dilations", [1, 1]).some((d) => d !== 1)) {
    throw refuse(node, "is a dilated convolution; expected dilations [1,1]");
  }
  requireExplicitPads(walker, node);
  let bias = node.inputs.length > 2 ? walker.floatConstant(node, 2).data : null;
  let weight = data;
  let output = walker.output(node);

  let next = walker.next(output);
  if (next !== null && walker.isOp(next, "BatchNormalization")) {
    const norm = readBatchNorm(walker, next, outputs);
    ({ weight, bias } = foldBatchNorm(weight, bias, norm));
    output = walker.output(next);
    next = walker.next(output);
  }
  const relu = next !== null && walker.isOp(next, "Relu");
  if (next !== null && relu) output = walker.output(next);
  return {
    output,
    layer: {
      name,
      source: node.name,
      weight,
      dims: [outputs, inputs, height, width],
      bias: bias ?? new Float32Array(outputs),
      strides: pair(walker.ints(node, "strides", [1, 1])),
      pads: quad(walker.ints(node, "pads", [0, 0, 0, 0])),
      relu,
    },
  };
}

function readBatchNorm(walker: Walker, node: GraphNode, outputs: number): BatchNorm {
  const [gamma, beta, mean, variance] = [1, 2, 3, 4].map((index) => walker.floatConstant(node, index).data);
  if (
    !gamma ||
    !beta ||
    !mean ||
    !variance ||
    [gamma, beta, mean, variance].some((v) => v.length !== outputs)
  ) {
    throw refuse(node, `does not have ${outputs} channels, as the convolution before it has`);
  }
  if (walker.int(node, "training_mode", 0) !== 0)
    throw refuse(node, "is in training mode; export in evaluation mode");
  if (walker.int(node, "spatial", 1) !== 1)
    throw refuse(node, "has spatial 0; expected statistics per channel");
  return { gamma, beta, mean, variance, epsilon: walker.float(node, "epsilon", 1e-5) };
}

export function readMaxPool(walker: Walker, node: GraphNode): Pooling {
  walker.expect(node, "MaxPool");
  requireExplicitPads(walker, node);
  if (walker.int(node, "ceil_mode", 0) !== 0) throw refuse(node, "rounds its size up; expected ceil_mode 0");
  if (walker.ints(node, "dilations", [1, 1]).some((d) => d !== 1))
    throw refuse(node, "is dilated; expected dilations [1,1]");
  return {
    kernel: pair(walker.ints(node, "kernel_shape", [])),
    strides: pair(walker.ints(node, "strides", [1, 1])),
    pads: quad(walker.ints(node, "pads", [0, 0, 0, 0])),
  };
}

function requireExplicitPads(walker: Walker, node: GraphNode): void {
  const autoPad = walker.string(node, "auto_pad", "NOTSET");
  if (autoPad !== "NOTSET" && autoPad !== "VALID") {
    throw refuse(node, `has auto_pad ${autoPad}; expected explicit pads`);
  }
}

const pair = ([a = 1, b = a]: readonly number[]): readonly [number, number] => [a, b];
const quad = ([a = 0, b = a, c = a, d = b]: readonly number[]): readonly [number, number, number, number] => [
  a,
  b,
  c,
  d,
];

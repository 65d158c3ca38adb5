/** Reads the end of the network: global average pooling, flattening, the dense layer. */
import type { GraphNode, Tensor } from "../onnx/graph.ts";
import { CommandError } from "../terminal/fail.ts";
import type { Dense } from "./resnet.ts";
import { refuse, type Walker } from "./walker.ts";

/** The classifier, and the name of the raw logits in the file. */
export interface ReadHead {
  dense: Dense;
  logits: string;
}

/**
 * Reads from the last block's value to the logits. A final Softmax, or a Sigmoid on a single logit, is left out: packs
 * have raw logits.
 * @param size Height and width of the last block's value; null when the file leaves the input's size free.
 * @throws CommandError for unsupported nodes, and unless the classes are the graph's only output.
 */
export function readHead(walker: Walker, value: string, size: number | null): ReadHead {
  const pool = walker.only(value, value);
  requireGlobalAverage(walker, pool, size);
  let node = walker.only(walker.output(pool), pool.name);
  while (walker.isOp(node, "Flatten", "Reshape", "Squeeze")) {
    if (node.op === "Flatten") walker.requireDefault(node, "int", "axis", 1);
    if (node.op === "Reshape") requireFlattening(walker, node);
    node = walker.only(walker.output(node), node.name);
  }
  const { dense, end } = readDense(walker, node);
  const logits = walker.output(end);
  const scores = scoresOf(walker, logits, dense.classes);
  const outputs = walker.graph.outputs.map((output) => output.name);
  if (outputs.length !== 1 || outputs[0] !== scores) {
    throw new CommandError(
      `The model has ${outputs.length} outputs: ${outputs.join(", ")}; expected only the classes, "${scores}". Export it with that output alone; in PyTorch, let forward() return only the logits.`,
    );
  }
  return { dense: dense.classes === 1 ? asTwoClasses(dense) : dense, logits };
}

/** The end of the graph: the logits, or what turns them into probabilities as the Worker's softmax does. */
function scoresOf(walker: Walker, logits: string, classes: number): string {
  const [after] = walker.consumers(logits);
  if (!after) return logits;
  const isProbability = walker.isOp(after, "Softmax", "LogSoftmax") && classes > 1;
  if (isProbability || (walker.isOp(after, "Sigmoid") && classes === 1)) return walker.output(after);
  throw refuse(
    after,
    `follows the ${classes} logits`,
    walker.isOp(after, "Sigmoid")
      ? "A model with a Sigmoid gives each class a probability of its own, but the Worker's answers sum to 1. Train it with a softmax over the classes."
      : "Export the model so that it ends with the logits, or with a Softmax.",
  );
}

/** Softmax over [0, x] is sigmoid(x), so a single logit becomes the second of two classes. */
function asTwoClasses({ weight, bias, features }: Dense): Dense {
  const twice = new Float32Array(2 * features);
  twice.set(weight, features);
  return { weight: twice, bias: Float32Array.of(0, bias[0]!), classes: 2, features };
}

/** A shape computed from that of the input keeps the batch and joins the rest. */
function requireFlattening(walker: Walker, node: GraphNode): void {
  if (walker.isShape(node.inputs[1] ?? "")) return;
  const shape = integers(walker.constant(node, 1));
  if (shape.length !== 2) throw refuse(node, `reshapes to [${shape.join(",")}]; expected [N,features]`);
}

function requireGlobalAverage(walker: Walker, node: GraphNode, size: number | null): void {
  walker.expect(node, "GlobalAveragePool", "ReduceMean", "AveragePool");
  if (node.op === "GlobalAveragePool") return;
  if (node.op === "AveragePool") {
    const kernel = walker.attribute(node, "ints", "kernel_shape", []);
    walker.requireDefault(node, "ints", "pads", [0, 0, 0, 0]);
    if (kernel.every((side) => side === size)) return;
    throw refuse(
      node,
      `averages ${kernel.join("x")} pixels of ${size === null ? "a size that the file leaves free" : `${size}x${size}`}; expected all of them`,
      `Use adaptive average pooling to 1x1${size === null ? ", or export the model with a fixed input size" : ""}.`,
    );
  }
  const axes =
    node.inputs.length > 1 ? integers(walker.constant(node, 1)) : walker.attribute(node, "ints", "axes", []);
  const spatial = axes.map((axis) => (axis < 0 ? axis + 4 : axis)).sort();
  if (spatial.join() === "2,3") return;
  throw refuse(node, `averages over the axes ${axes.join(",")}; expected height and width`);
}

function readDense(walker: Walker, node: GraphNode): { dense: Dense; end: GraphNode } {
  walker.expect(node, "Gemm", "MatMul");
  const { dims, data } = walker.floatConstant(node, 1);
  const [rows = 0, columns = 0] = dims;
  if (dims.length !== 2)
    throw refuse(node, `has weights of shape [${dims.join(",")}]; expected two dimensions`);
  let end = node;
  let bias: Float32Array | null = null;
  let transposed = false;
  if (node.op === "Gemm") {
    walker.requireDefault(node, "int", "transA", 0);
    walker.requireDefault(node, "float", "alpha", 1);
    walker.requireDefault(node, "float", "beta", 1);
    transposed = walker.attribute(node, "int", "transB", 0) === 1;
    bias = node.inputs.length > 2 ? walker.floatConstant(node, 2).data : null;
  } else {
    const [next] = walker.consumers(walker.output(node));
    if (next && walker.isOp(next, "Add")) {
      bias = walker.floatConstant(next, next.inputs[0] === walker.output(node) ? 1 : 0).data;
      end = next;
    }
  }
  const [classes, features] = transposed ? [rows, columns] : [columns, rows];
  if (bias !== null && bias.length !== classes) {
    throw refuse(node, `has a bias of ${bias.length} values; expected ${classes}, one per class`);
  }
  const weight = transposed ? data : transpose(data, rows, columns);
  return { end, dense: { classes, features, weight, bias: bias ?? new Float32Array(classes) } };
}

function transpose(data: Float32Array, rows: number, columns: number): Float32Array {
  return data.map((_, i) => data[(i % rows) * columns + Math.floor(i / rows)]!);
}

function integers(tensor: Tensor | null): number[] {
  return tensor === null ? [] : Array.from(tensor.data as ArrayLike<number | bigint>, Number);
}

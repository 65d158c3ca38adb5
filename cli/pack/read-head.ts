/** Reads the end of the network: global average pooling, flattening, the dense layer. */
import type { GraphNode, Tensor } from "../onnx/graph.ts";
import { CommandError } from "../terminal/fail.ts";
import type { Dense } from "./resnet.ts";
import { refuse, type Walker } from "./walker.ts";

/**
 * Reads from the last block's value to the logits.
 * @throws CommandError for unsupported nodes, and unless the logits are the graph's only output.
 */
export function readHead(walker: Walker, value: string): Dense {
  const pool = walker.only(value, value);
  requireGlobalAverage(walker, pool);
  let node = walker.only(walker.output(pool), pool.name);
  while (walker.isOp(node, "Flatten", "Reshape", "Squeeze")) {
    if (node.op === "Flatten") walker.requireDefault(node, "int", "axis", 1);
    const shape = node.op === "Reshape" ? integers(walker.constant(node, 1)) : [];
    if (node.op === "Reshape" && shape.length !== 2) {
      throw refuse(node, `reshapes to [${shape.join(",")}]; expected [N,features]`);
    }
    node = walker.only(walker.output(node), node.name);
  }
  const { dense, end } = readDense(walker, node);
  const logits = walker.output(end);
  const [after] = walker.consumers(logits);
  if (after) throw refuse(after, "follows the last Gemm; expected raw logits as the model's output");
  const outputs = walker.graph.outputs.map((output) => output.name);
  if (outputs.length !== 1 || outputs[0] !== logits) {
    throw new CommandError(
      `The model's outputs are ${outputs.join(", ")}; expected only the logits, "${logits}". Export it without other outputs.`,
    );
  }
  return dense;
}

function requireGlobalAverage(walker: Walker, node: GraphNode): void {
  walker.expect(node, "GlobalAveragePool", "ReduceMean");
  if (node.op === "GlobalAveragePool") return;
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

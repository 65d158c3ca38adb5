/** The end of the network: global average pooling, flattening, the dense layer. */
import type { GraphNode, Tensor } from "../onnx/graph.ts";
import { PackError } from "./errors.ts";
import type { Dense } from "./resnet.ts";
import { refuse, type Walker } from "./walker.ts";

/** Reads from the last block's value to the logits, which must be the graph's only output. */
export function readHead(walker: Walker, value: string): Dense {
  const pool = walker.only(value, value);
  requireGlobalAverage(walker, pool);
  let node = walker.only(walker.output(pool), pool.name);
  while (walker.isOp(node, "Flatten", "Reshape", "Squeeze")) {
    requireFlat(walker, node);
    node = walker.only(walker.output(node), node.name);
  }
  const { dense, end } = readDense(walker, node);
  const [after] = walker.consumers(walker.output(end));
  if (after !== undefined)
    throw refuse(after, "stands behind the last Gemm; expected raw logits as the model's output");
  if (walker.graph.outputs.length !== 1 || walker.graph.outputs[0]?.name !== walker.output(end)) {
    const names = walker.graph.outputs.map((output) => output.name).join(", ");
    throw new PackError(
      `The model's outputs are ${names}; expected only the logits, "${walker.output(end)}".`,
    );
  }
  return dense;
}

function requireGlobalAverage(walker: Walker, node: GraphNode): void {
  walker.expect(node, "GlobalAveragePool", "ReduceMean");
  if (node.op === "GlobalAveragePool") return;
  const axes = node.inputs.length > 1 ? integers(walker.constant(node, 1)) : walker.ints(node, "axes", []);
  const spatial = axes.map((axis) => (axis < 0 ? axis + 4 : axis)).sort();
  if (spatial.join() !== "2,3")
    throw refuse(node, `averages over the axes ${axes.join(",")}; expected height and width`);
}

function requireFlat(walker: Walker, node: GraphNode): void {
  if (node.op === "Flatten" && walker.int(node, "axis", 1) !== 1)
    throw refuse(node, "has another axis than 1");
  if (node.op === "Reshape") {
    const shape = integers(walker.constant(node, 1));
    if (shape.length !== 2) throw refuse(node, `reshapes to [${shape.join(",")}]; expected [N,features]`);
  }
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
    if (walker.int(node, "transA", 0) !== 0) throw refuse(node, "has transA 1; expected 0");
    for (const name of ["alpha", "beta"]) {
      if (walker.float(node, name, 1) !== 1)
        throw refuse(node, `has ${name} ${walker.float(node, name, 1)}; expected 1`);
    }
    transposed = walker.int(node, "transB", 0) === 1;
    bias = node.inputs.length > 2 ? walker.floatConstant(node, 2).data : null;
  } else {
    const [next] = walker.consumers(walker.output(node));
    if (next !== undefined && walker.isOp(next, "Add")) {
      bias = walker.floatConstant(next, next.inputs[0] === walker.output(node) ? 1 : 0).data;
      end = next;
    }
  }
  const [classes, features] = transposed ? [rows, columns] : [columns, rows];
  if (bias !== null && bias.length !== classes) {
    throw refuse(node, `has a bias of ${bias.length} values for ${classes} classes`);
  }
  return {
    end,
    dense: {
      classes,
      features,
      weight: transposed ? data : transpose(data, rows, columns),
      bias: bias ?? new Float32Array(classes),
    },
  };
}

function transpose(data: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(data.length);
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++) result[c * rows + r] = data[r * columns + c]!;
  return result;
}

function integers(tensor: Tensor | null): number[] {
  return tensor === null ? [] : Array.from(tensor.data as ArrayLike<number | bigint>, Number);
}

/** Reads a graph as a ResNet: stem, blocks and classifier. The structure decides, never the names. */
import type { Graph, GraphNode, Tensor } from "../onnx/graph.ts";
import { CommandError } from "../terminal/fail.ts";
import { readNormalisation } from "./normalisation.ts";
import { type ReadConv, readConv, readMaxPool } from "./read-conv.ts";
import {
  type Block,
  type ConvLayer,
  type Dense,
  type ResNet,
  sizeAfter,
  stemName,
  type Window,
  windowOf,
} from "./resnet.ts";
import { refuse, Walker } from "./walker.ts";

/**
 * Reads the whole network.
 * @param graph As readOnnx returns it.
 * @throws CommandError naming the node that does not belong in a ResNet v1, its operator and what is supported.
 */
export function readResNet(graph: Graph): ResNet {
  const walker = new Walker(graph);
  const input = readInput(walker.graph);
  const { normalisation, value: normalised } = readNormalisation(walker, input.name);
  const stem = readConv(walker, walker.only(normalised, normalised), stemName);
  if (!stem.layer.relu) walker.expect(walker.only(stem.output, stem.layer.source), "Relu");
  const poolNode = walker.next(stem.output);
  const pool = poolNode && readMaxPool(walker, poolNode);

  const blocks: Block[] = [];
  let value = poolNode ? walker.output(poolNode) : stem.output;
  let stage = 0;
  let indexInStage = 0;
  for (;;) {
    const readers = walker.consumers(value);
    if (!readers.some((node) => walker.isOp(node, "Conv"))) break;
    if (blocks.length === 0 || startsStage(walker, readers)) [stage, indexInStage] = [stage + 1, 0];
    const read = readBlock(walker, value, readers, `stage${stage}.${indexInStage++}`);
    blocks.push(read.block);
    value = read.output;
  }
  if (blocks.length === 0) {
    throw refuse(walker.only(value, stem.layer.source), "is not supported here; expected a residual block");
  }
  const { dense, logits } = readHead(walker, value, finalSize(input.size, stem.layer, pool, blocks));
  checkChannels(stem.layer, blocks, dense.features);
  return { input: { ...input, normalisation }, stem: stem.layer, pool, blocks, dense, logits };
}

/** Height and width after the last block; null for an input of free size. */
function finalSize(
  inputSize: number | null,
  stem: ConvLayer,
  pool: Window | null,
  blocks: readonly Block[],
): number | null {
  if (inputSize === null) return null;
  const windows = [stem, ...blocks.flatMap(({ convs }) => convs)].map(windowOf);
  if (pool) windows.splice(1, 0, pool);
  return windows.reduce((size, window) => sizeAfter(size, window, 0), inputSize);
}

function readInput({ inputs }: Graph): Omit<ResNet["input"], "normalisation"> {
  const [input, ...others] = inputs;
  if (input === undefined || others.length > 0) {
    throw new CommandError(`The model has ${inputs.length} inputs; expected one image tensor [N,3,H,W].`);
  }
  const { name, type, dims } = input;
  const [batch, channels, height, width] = dims;
  const found = `Input "${name}" is ${type} [${dims.join(",")}]`;
  if (type !== "float32" || dims.length !== 4 || channels !== 3) {
    throw new CommandError(`${found}; expected float32 [N,3,H,W].`);
  }
  if (typeof height !== typeof width || (typeof height === "number" && height !== width)) {
    throw new CommandError(`${found}; expected a square image.`);
  }
  // 0 is a dimension without a size or a name, so it is free.
  if (typeof batch === "number" && batch > 1) {
    throw new CommandError(
      `${found}: the batch size is fixed at ${batch}; expected 1 or a free one. Export the model with an example input of one image, or with a dynamic batch.`,
    );
  }
  const size = typeof height === "number" && height > 0 ? height : null;
  return { name, size, channels: "RGB" };
}

/** A stage starts with a block that halves the image, or whose shortcut has a convolution. */
function startsStage(walker: Walker, readers: readonly GraphNode[]): boolean {
  const convs = readers.filter((node) => walker.isOp(node, "Conv"));
  const strideOf = (node: GraphNode) => walker.attribute(node, "ints", "strides", [1, 1])[0] ?? 1;
  return convs.some((node) => strideOf(node) > 1) || (readers.length === 2 && convs.length === 2);
}

function readBlock(
  walker: Walker,
  input: string,
  readers: readonly GraphNode[],
  name: string,
): { block: Block; output: string } {
  if (readers.length === 1) throw refuse(readers[0]!, "has no shortcut around it; expected a residual block");
  const [first, second, extra] = readers.map((node) => readPath(walker, node));
  if (extra)
    throw refuse(extra.start, `is a third reader of "${input}"; expected a residual branch and a shortcut`);
  const [branch, shortcut] =
    first!.convs.length >= second!.convs.length ? [first!, second!] : [second!, first!];
  if (branch.add !== shortcut.add)
    throw refuse(branch.add, "does not join the two paths of a residual block");
  const { length } = branch.convs;
  if (length !== 2 && length !== 3) {
    const problem = `starts a branch of ${length} convolutions; expected 2 (basic) or 3 (bottleneck)`;
    throw refuse(branch.start, problem);
  }
  if (shortcut.convs.length > 1) {
    const problem = `starts a shortcut of ${shortcut.convs.length} convolutions; expected none or one`;
    throw refuse(shortcut.start, problem);
  }
  const convs = branch.convs.map(({ layer }, index) => ({ ...layer, name: `${name}.conv${index}` }));
  for (const [index, { relu }] of convs.entries()) {
    const isLast = index === convs.length - 1;
    if (relu !== isLast) continue;
    const problem = relu ? "has a Relu before the addition; expected none" : "has no Relu; expected one";
    throw refuse(branch.nodes[index]!, problem);
  }
  const projection = shortcut.convs[0]?.layer;
  if (projection?.relu) throw refuse(shortcut.start, "has a Relu on the shortcut; expected none");
  const relu = walker.expect(walker.only(walker.output(branch.add), branch.add.name), "Relu");
  return {
    block: { name, convs, downsample: projection ? { ...projection, name: `${name}.downsample` } : null },
    output: walker.output(relu),
  };
}

/** Follows convolutions from `start` to the Add that ends the block. */
function readPath(walker: Walker, start: GraphNode) {
  const convs: ReadConv[] = [];
  const nodes: GraphNode[] = [];
  let node = start;
  while (!walker.isOp(node, "Add")) {
    const conv = readConv(walker, node, "");
    convs.push(conv);
    nodes.push(node);
    node = walker.only(conv.output, node.name);
  }
  return { start, nodes, convs, add: node };
}

function checkChannels(stem: ConvLayer, blocks: readonly Block[], features: number): void {
  const damaged = (problem: string) =>
    new CommandError(`${problem}. The file is damaged; download or export it again.`);
  const after = (conv: ConvLayer, inputs: number) => {
    const { source, dims } = conv;
    if (dims[1] === inputs) return dims[0];
    throw damaged(`Node "${source}" (Conv) takes ${dims[1]} channels but receives ${inputs}`);
  };
  let channels = stem.dims[0];
  for (const { name, convs, downsample } of blocks) {
    const branch = convs.reduce((inputs, conv) => after(conv, inputs), channels);
    const shortcut = downsample ? after(downsample, channels) : channels;
    if (branch !== shortcut) throw damaged(`Block ${name} adds ${branch} channels to ${shortcut}`);
    channels = branch;
  }
  if (channels !== features)
    throw damaged(`The classifier takes ${features} features but receives ${channels}`);
}

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

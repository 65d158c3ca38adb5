/** Reads a graph as a ResNet. The structure decides, never the names. */
import type { Graph, GraphNode } from "../onnx/graph.ts";
import { CommandError } from "../terminal/fail.ts";
import { readNormalisation } from "./normalisation.ts";
import { type ReadConv, readConv, readMaxPool } from "./read-conv.ts";
import { readHead } from "./read-head.ts";
import {
  type Block,
  type ConvLayer,
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

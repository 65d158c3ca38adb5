/** Graph -> ResNet: recognises the family by its structure, never by its names. */
import type { Graph, GraphNode } from "../onnx/graph.ts";
import { PackError } from "./errors.ts";
import { type ReadConv, readConv, readMaxPool } from "./read-conv.ts";
import { readHead } from "./read-head.ts";
import { type Block, type ConvLayer, type ResNet, stemName } from "./resnet.ts";
import { simplify } from "./simplify.ts";
import { refuse, Walker } from "./walker.ts";

/**
 * @param graph As readOnnx gave it.
 * @throws PackError naming the node that does not belong in a ResNet v1, its operator and what is supported.
 */
export function readResNet(graph: Graph): ResNet {
  const walker = new Walker(simplify(graph));
  const input = readInput(walker.graph);
  const stem = readConv(walker, walker.only(input.name, input.name), stemName);
  if (!stem.layer.relu) throw refuse(walker.only(stem.output, "stem"), "stands where Relu was expected");
  const poolNode = walker.only(stem.output, stem.layer.source);
  const pool = readMaxPool(walker, poolNode);

  const blocks: Block[] = [];
  let value = walker.output(poolNode);
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
    const node = walker.only(value, poolNode.name);
    throw refuse(node, "stands where the first residual block was expected");
  }
  const dense = readHead(walker, value);
  checkChannels(stem.layer, blocks, dense.features);
  return { input, stem: stem.layer, pool, blocks, dense };
}

function readInput(graph: Graph): ResNet["input"] {
  const [input, ...others] = graph.inputs;
  if (input === undefined || others.length > 0) {
    throw new PackError(`The model has ${graph.inputs.length} inputs; expected one image tensor [N,3,H,W].`);
  }
  const [, channels, height, width] = input.dims;
  const shape = `[${input.dims.join(",")}]`;
  if (input.type !== "float32" || input.dims.length !== 4 || channels !== 3) {
    throw new PackError(`Input "${input.name}" is ${input.type} ${shape}; expected float32 [N,3,H,W].`);
  }
  if (typeof height !== typeof width || (typeof height === "number" && height !== width)) {
    throw new PackError(`Input "${input.name}" has shape ${shape}; expected a square image.`);
  }
  return { name: input.name, size: typeof height === "number" && height > 0 ? height : null };
}

/** A block whose convolutions halve the picture begins a stage. */
function startsStage(walker: Walker, readers: readonly GraphNode[]): boolean {
  return (
    readers.some((node) => walker.isOp(node, "Conv") && (walker.ints(node, "strides", [1, 1])[0] ?? 1) > 1) ||
    (readers.length === 2 && readers.every((node) => walker.isOp(node, "Conv")))
  );
}

function readBlock(
  walker: Walker,
  input: string,
  readers: readonly GraphNode[],
  name: string,
): { block: Block; output: string } {
  const [only, ...more] = readers;
  if (only !== undefined && more.length === 0) {
    throw refuse(only, "has no shortcut beside it; expected a residual block");
  }
  const paths = readers.map((node) => readPath(walker, node));
  const [first, second, ...others] = paths;
  const [odd] = others;
  if (odd !== undefined)
    throw refuse(
      odd.start,
      `is one reader too many of "${input}"; expected a residual branch and a shortcut`,
    );
  if (first === undefined || second === undefined) throw new Error("a block without two paths");
  const [branch, shortcut] = first.convs.length >= second.convs.length ? [first, second] : [second, first];
  if (branch.add !== shortcut.add)
    throw refuse(branch.add, "does not join the two paths of a residual block");
  if (branch.convs.length !== 2 && branch.convs.length !== 3) {
    throw refuse(
      branch.start,
      `begins a branch of ${branch.convs.length} convolutions; expected 2 (basic) or 3 (bottleneck)`,
    );
  }
  if (shortcut.convs.length > 1)
    throw refuse(
      shortcut.start,
      `begins a shortcut of ${shortcut.convs.length} convolutions; expected none or one`,
    );
  const convs = branch.convs.map(({ layer }, index) => ({ ...layer, name: `${name}.conv${index}` }));
  convs.forEach((conv, index) => {
    if (conv.relu === (index === convs.length - 1)) {
      throw refuse(
        branch.nodes[index]!,
        conv.relu ? "is followed by Relu before the addition; expected it linear" : "is not followed by Relu",
      );
    }
  });
  const projection = shortcut.convs[0]?.layer;
  if (projection?.relu) throw refuse(shortcut.start, "has a Relu on the shortcut; expected it linear");
  const relu = walker.expect(walker.only(walker.output(branch.add), branch.add.name), "Relu");
  return {
    block: { name, convs, downsample: projection ? { ...projection, name: `${name}.downsample` } : null },
    output: walker.output(relu),
  };
}

interface Path {
  start: GraphNode;
  nodes: GraphNode[];
  convs: ReadConv[];
  add: GraphNode;
}

/** Follows convolutions from `start` to the Add that ends the block. */
function readPath(walker: Walker, start: GraphNode): Path {
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
  let channels = stem.dims[0];
  const check = (conv: ConvLayer, inputs: number) => {
    if (conv.dims[1] !== inputs) {
      throw new PackError(
        `Node "${conv.source}" (Conv) takes ${conv.dims[1]} channels but is given ${inputs}. The file is damaged.`,
      );
    }
    return conv.dims[0];
  };
  for (const { name, convs, downsample } of blocks) {
    const branch = convs.reduce((inputs, conv) => check(conv, inputs), channels);
    const shortcut = downsample ? check(downsample, channels) : channels;
    if (branch !== shortcut)
      throw new PackError(`Block ${name} adds ${branch} channels to ${shortcut}. The file is damaged.`);
    channels = branch;
  }
  if (channels !== features)
    throw new PackError(
      `The classifier takes ${features} features but is given ${channels}. The file is damaged.`,
    );
}

/** ResNet -> folded float32 graph: what is packed with precision fp32, and what calibration runs. */
import { GraphBuilder } from "../onnx/builder.ts";
import { type Dimension, float, floats, int, ints } from "../onnx/graph.ts";
import {
  type CuttableGraph,
  type Emitter,
  emitResNet,
  featuresName,
  logitsName,
  outputRuns,
  writtenOpset,
} from "./emit.ts";
import { type Block, blockOutputName, type ConvLayer, outputSize, poolName, type ResNet } from "./resnet.ts";

const unlimited = Number.POSITIVE_INFINITY;

export interface FloatGraphOptions {
  /** Height and width of the input. */
  size: number;
  batch: Dimension;
  /** A layer with more bytes of weights is written in parts, between which the graph may be cut. */
  maxLayerBytes?: number;
  /** Values to give out besides logits and features. */
  probes?: readonly string[];
}

export function floatGraph(net: ResNet, options: FloatGraphOptions): CuttableGraph {
  const emitter = new FloatEmitter(options);
  const cuts = emitResNet(net, emitter);
  const outputs = [logitsName, featuresName, ...(options.probes ?? [])];
  return { graph: emitter.builder.build(net.input.name, writtenOpset, outputs), cuts };
}

class FloatEmitter implements Emitter {
  readonly builder = new GraphBuilder();
  readonly #options: FloatGraphOptions;
  constructor(options: FloatGraphOptions) {
    this.#options = options;
  }

  get nodeCount(): number {
    return this.builder.nodeCount;
  }

  input(net: ResNet): string {
    const { size, batch } = this.#options;
    return this.builder.input({ name: net.input.name, type: "float32", dims: [batch, 3, size, size] });
  }

  conv(layer: ConvLayer, x: string, cut: () => void): string {
    const { builder } = this;
    const type = "float32";
    const dims = convDims(builder.dims(x), layer);
    const linear = layer.relu ? `${layer.name}.linear` : layer.name;
    const parts = this.#parts(layer);
    const outputs = parts.map((part, index) => {
      if (index > 0) cut();
      const weight = builder.constant(`${part.name}.weight`, floats(part.dims, part.weight));
      const bias = builder.constant(`${part.name}.bias`, floats([part.dims[0]], part.bias));
      const name = parts.length === 1 ? linear : part.name;
      const output = { name, type, dims: convDims(builder.dims(x), part) } as const;
      return builder.node("Conv", [x, weight, bias], output, { attributes: convAttributes(part) });
    });
    if (parts.length > 1)
      builder.node("Concat", outputs, { name: linear, type, dims }, { attributes: { axis: int(1) } });
    return layer.relu ? builder.node("Relu", [linear], { name: layer.name, type, dims }) : linear;
  }

  /** The layer in runs of output channels, none larger than a shard may be. */
  #parts(layer: ConvLayer): ConvLayer[] {
    const [outputs, ...rest] = layer.dims;
    const runs = outputRuns(outputs, layer.weight.byteLength, this.#options.maxLayerBytes ?? unlimited);
    if (runs.length === 1) return [layer];
    const perOutput = layer.weight.length / outputs;
    return runs.map(([from, to], index) => ({
      ...layer,
      name: `${layer.name}.part${index}`,
      dims: [to - from, ...rest] as const,
      weight: layer.weight.subarray(from * perOutput, to * perOutput),
      bias: layer.bias.subarray(from, to),
    }));
  }

  maxPool(net: ResNet, x: string): string {
    return emitMaxPool(this.builder, net, x);
  }

  add(block: Block, branch: string, shortcut: string): string {
    return emitAdd(this.builder, block, branch, shortcut);
  }

  head(net: ResNet, x: string, cut: () => void): void {
    emitHead(this.builder, net, x, { cut, maxLayerBytes: this.#options.maxLayerBytes ?? unlimited });
  }
}

export function convAttributes(layer: ConvLayer) {
  return {
    kernel_shape: ints(layer.dims[2], layer.dims[3]),
    pads: ints(...layer.pads),
    strides: ints(...layer.strides),
  };
}

/** Shape of a convolution's output, NCHW. */
export function convDims(input: readonly Dimension[], layer: ConvLayer): Dimension[] {
  const [outputs, , height, width] = layer.dims;
  return [input[0] ?? 1, outputs, ...spatial(input, [height, width], layer.strides, layer.pads)];
}

type Pads = readonly [number, number, number, number];
type Pair = readonly [number, number];

function spatial(input: readonly Dimension[], kernel: Pair, strides: Pair, pads: Pads): [number, number] {
  return [
    outputSize(Number(input[2]), kernel[0], strides[0], pads[0], pads[2]),
    outputSize(Number(input[3]), kernel[1], strides[1], pads[1], pads[3]),
  ];
}

/** MaxPool keeps its input's type: float32, or u8 in the quantised graph. */
export function emitMaxPool(builder: GraphBuilder, { pool }: ResNet, x: string): string {
  const { type, dims } = builder.value(x);
  const output = [dims[0] ?? 1, dims[1] ?? 1, ...spatial(dims, pool.kernel, pool.strides, pool.pads)];
  return builder.node(
    "MaxPool",
    [x],
    { name: poolName, type, dims: output },
    {
      attributes: {
        kernel_shape: ints(...pool.kernel),
        pads: ints(...pool.pads),
        strides: ints(...pool.strides),
      },
    },
  );
}

/** relu(branch + shortcut) in float32. */
export function emitAdd(builder: GraphBuilder, block: Block, branch: string, shortcut: string): string {
  const name = blockOutputName(block);
  const value = builder.value(branch);
  const sum = builder.node("Add", [branch, shortcut], { ...value, name: `${name}.sum` });
  return builder.node("Relu", [sum], { ...value, name });
}

/**
 * Pooled features [N, features] and raw logits [N, classes], float32 in every pack.
 * @param limits As for FloatGraphOptions: a dense layer of more bytes is written in runs of classes.
 */
export function emitHead(
  builder: GraphBuilder,
  { dense }: ResNet,
  x: string,
  limits: { cut: () => void; maxLayerBytes: number },
): void {
  const type = "float32";
  const batch = builder.dims(x)[0] ?? 1;
  const pooled = builder.node("GlobalAveragePool", [x], {
    name: "pooled",
    type,
    dims: [batch, dense.features, 1, 1],
  });
  const features = builder.node(
    "Flatten",
    [pooled],
    { name: featuresName, type, dims: [batch, dense.features] },
    { attributes: { axis: int(1) } },
  );
  const runs = outputRuns(dense.classes, dense.weight.byteLength, limits.maxLayerBytes);
  const parts = runs.map(([from, to], index) => {
    if (index > 0) limits.cut();
    const name = runs.length === 1 ? logitsName : `dense.part${index}`;
    const rows = dense.weight.subarray(from * dense.features, to * dense.features);
    const weight = builder.constant(`${name}.weight`, floats([to - from, dense.features], rows));
    const bias = builder.constant(`${name}.bias`, floats([to - from], dense.bias.subarray(from, to)));
    return builder.node(
      "Gemm",
      [features, weight, bias],
      { name, type, dims: [batch, to - from] },
      { attributes: { alpha: float(1), beta: float(1), transA: int(0), transB: int(1) } },
    );
  });
  if (parts.length === 1) return;
  const logits = { name: logitsName, type, dims: [batch, dense.classes] } as const;
  builder.node("Concat", parts, logits, { attributes: { axis: int(1) } });
}

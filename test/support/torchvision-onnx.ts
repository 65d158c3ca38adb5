/** Writes a ResNet like torch.onnx exports torchvision's: BatchNorm folded, names like onnx::Conv_193, shared biases through Identity. */

import { type ZooSpec, zooGraph } from "../../bench/stand-in/stand-in.ts";
import { writeOnnx } from "../../cli/onnx/file.ts";
import { type Attribute, type Graph, type GraphNode, int, ints, type Tensor } from "../../cli/onnx/graph.ts";
import { readResNet } from "../../cli/pack/read-resnet.ts";
import type { ConvLayer } from "../../cli/pack/resnet.ts";

export interface TorchvisionOptions {
  opset?: number;
  /** `reduce-mean` is how the newer exporter writes adaptive average pooling, with its axes as an input from opset 18. */
  pooling?: "global" | "reduce-mean";
}

/** Writes the file with a free batch dimension, by default with opset 17 and IR 8. */
export function torchvisionBytes(graph: Graph): Uint8Array {
  return writeOnnx(graph, { irVersion: 8, producer: "pytorch" });
}

/** Makes the network with random weights. Bottlenecks stride in their 3x3 convolution, like torchvision's. */
export async function torchvisionGraph(spec: ZooSpec, options: TorchvisionOptions = {}): Promise<Graph> {
  return new TorchvisionWriter(spec, options).write(await zooGraph(spec));
}

class TorchvisionWriter {
  readonly #spec: ZooSpec;
  readonly #options: Required<TorchvisionOptions>;
  readonly #nodes: GraphNode[] = [];
  readonly #initializers = new Map<string, Tensor>();
  /** torch numbers all values in order. Its ResNets happen to begin at 193. */
  #number = 193;

  constructor(spec: ZooSpec, options: TorchvisionOptions) {
    this.#spec = spec;
    this.#options = { opset: 17, pooling: "global", ...options };
  }

  write(zoo: Graph): Graph {
    const { stem, blocks, dense } = readResNet(zoo);
    const { size } = this.#spec;
    let x = this.#node("Relu", "/relu", [this.#conv("/conv1", stem, "input")]);
    x = this.#node("MaxPool", "/maxpool", [x], {
      ceil_mode: int(0),
      dilations: ints(1, 1),
      kernel_shape: ints(3, 3),
      pads: ints(1, 1, 1, 1),
      strides: ints(2, 2),
    });
    for (const block of blocks) {
      const [, stage, index] = /^stage(\d+)\.(\d+)$/.exec(block.name)!;
      const scope = `/layer${stage}/layer${stage}.${index}`;
      let branch = x;
      stridesIn3x3(block.convs).forEach((conv, i) => {
        branch = this.#conv(`${scope}/conv${i + 1}`, conv, branch);
        if (conv.relu) branch = this.#node("Relu", `${scope}/relu${i === 0 ? "" : `_${i}`}`, [branch]);
      });
      const shortcut = block.downsample
        ? this.#conv(`${scope}/downsample/downsample.0`, block.downsample, x)
        : x;
      const sum = this.#node("Add", scope, [branch, shortcut]);
      x = this.#node("Relu", `${scope}/relu_${block.convs.length - 1}`, [sum]);
    }
    x = this.#node("Flatten", "", [this.#pool(x)], { axis: int(1) });
    this.#initializers.set("fc.weight", {
      type: "float32",
      dims: [dense.classes, dense.features],
      data: dense.weight,
    });
    this.#initializers.set("fc.bias", { type: "float32", dims: [dense.classes], data: dense.bias });
    this.#nodes.push({
      name: "/fc/Gemm",
      op: "Gemm",
      domain: "",
      inputs: [x, "fc.weight", "fc.bias"],
      outputs: ["output"],
      attributes: new Map(Object.entries({ transB: int(1) })),
    });
    return {
      name: "main_graph",
      opset: this.#options.opset,
      nodes: this.#nodes,
      initializers: this.#initializers,
      inputs: [{ name: "input", type: "float32", dims: ["batch_size", 3, size, size] }],
      outputs: [{ name: "output", type: "float32", dims: ["batch_size", dense.classes] }],
    };
  }

  #conv(scope: string, layer: ConvLayer, x: string): string {
    const [outputs, , height, width] = layer.dims;
    const weight = `onnx::Conv_${this.#number++}`;
    const bias = `onnx::Conv_${this.#number++}`;
    this.#initializers.set(weight, { type: "float32", dims: layer.dims, data: layer.weight });
    this.#initializers.set(`${bias}.shared`, { type: "float32", dims: [outputs], data: layer.bias });
    this.#nodes.push({
      name: `Identity_${this.#number}`,
      op: "Identity",
      domain: "",
      inputs: [`${bias}.shared`],
      outputs: [bias],
      attributes: new Map(),
    });
    return this.#node("Conv", scope, [x, weight, bias], {
      dilations: ints(1, 1),
      group: int(1),
      kernel_shape: ints(height, width),
      pads: ints(...layer.pads),
      strides: ints(...layer.strides),
    });
  }

  #pool(x: string): string {
    const { opset, pooling } = this.#options;
    if (pooling === "global") return this.#node("GlobalAveragePool", "/avgpool", [x]);
    if (opset < 18)
      return this.#node("ReduceMean", "/avgpool", [x], { axes: ints(-1, -2), keepdims: int(1) });
    const value: Tensor = { type: "int64", dims: [2], data: BigInt64Array.of(-1n, -2n) };
    const axes = this.#node("Constant", "/avgpool/axes", [], { value: { kind: "tensor", value } });
    return this.#node("ReduceMean", "/avgpool", [x, axes], { keepdims: int(1) });
  }

  /** Adds a node named `<scope>/<op>`, whose output has torch's name for it. */
  #node(op: string, scope: string, inputs: string[], attributes: Record<string, Attribute> = {}): string {
    const name = `${scope}/${op}`;
    const output = `${name}_output_0`;
    this.#nodes.push({
      name,
      op,
      domain: "",
      inputs,
      outputs: [output],
      attributes: new Map(Object.entries(attributes)),
    });
    return output;
  }
}

function stridesIn3x3(convs: readonly ConvLayer[]): ConvLayer[] {
  const [first, second, third] = convs;
  if (!first || !second || !third) return [...convs];
  return [{ ...first, strides: [1, 1] }, { ...second, strides: first.strides }, third];
}

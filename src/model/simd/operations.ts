/**
 * From the ONNX nodes of a shard to the operations of the engine. Weights and parameters move into the engine's memory at
 * once, so that the file can be freed.
 */
import { UnsupportedGraphError } from "../engine.ts";
import { type EngineMemory, type Kernels, roundUp } from "./kernels.ts";
import type { OnnxConstant, OnnxGraph, OnnxNode } from "./onnx-file.ts";

/** How u8 levels stand for numbers: (level - zero) * scale. */
export interface Quantisation {
  readonly scale: number;
  readonly zero: number;
}

/** A convolution's shape and the address of its weights. */
export interface Convolution {
  readonly outputs: number;
  readonly inputs: number;
  /** Values per pixel of the input map: the inputs, rounded up to a multiple of 8, except for the image. */
  readonly channels: number;
  /** Height and width of the filter. */
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  /** Top, left, bottom, right. */
  readonly pads: readonly [number, number, number, number];
  /** Zero point of the input. */
  readonly zero: number;
  /** How the sums are computed. Decides the order of the weights. */
  readonly method: "winograd" | "direct";
  readonly weights: number;
  /** Values under the filter, rounded up to a multiple of 8. */
  readonly depth: number;
}

/** How sums become u8: addresses of int32 biases and float32 scales, one per output. */
export interface Requantisation {
  readonly to: "u8";
  readonly bias: number;
  readonly scale: number;
  readonly zero: number;
}

/** How sums become float32: addresses of factors and biases, one per output. */
export interface FloatOutput {
  readonly to: "float32";
  readonly factor: number;
  readonly bias: number;
}

/** A square window that moves over a map. */
export interface Window {
  readonly kernel: number;
  readonly stride: number;
  readonly pads: readonly [number, number, number, number];
}

/** One step of a network. Values have the names of the graph. */
export type Operation = { readonly name: string; readonly output: string } & (
  | ({ readonly op: "quantise"; readonly input: string } & Quantisation)
  | ({ readonly op: "dequantise"; readonly input: string } & Quantisation)
  | {
      readonly op: "convolve";
      readonly input: string;
      readonly convolution: Convolution;
      readonly finish: Requantisation | FloatOutput;
    }
  | { readonly op: "addRelu"; readonly inputs: readonly [string, string] }
  | ({ readonly op: "maxPool"; readonly input: string } & Window)
  | { readonly op: "averagePool"; readonly input: string }
  | { readonly op: "flatten"; readonly input: string }
  | {
      readonly op: "dense";
      readonly input: string;
      readonly features: number;
      readonly outputs: number;
      /** Address of float32 [features][outputs, rounded up to a multiple of 4]. */
      readonly weights: number;
      readonly bias: number;
    }
  | { readonly op: "concat"; readonly inputs: readonly string[] }
);

/** TensorProto.DataType. */
const dataType = { float32: 1, u8: 2, int8: 3, int32: 6 } as const;
/** Bytes of an element of each type. */
const elementBytes: Readonly<Record<number, number>> = { 1: 4, 2: 1, 3: 1, 6: 4 };
/** AttributeProto value of Cast's `to` for float32. */
const castToFloat = 1;

/**
 * Largest sum of a convolution that Winograd's transforms return: 64 times the sum must fit int32. docs/engine.md derives
 * it.
 */
const maxWinogradSum = 2 ** 25 - 1;

/**
 * Translates the nodes of one shard.
 * @param imageName the network's input
 * @throws UnsupportedGraphError, which names the node
 */
export function readOperations(
  graph: OnnxGraph,
  imageName: string,
  memory: EngineMemory,
  kernels: Kernels,
): Operation[] {
  return new Translation(graph, imageName, memory, kernels).operations();
}

class Translation {
  readonly #graph: OnnxGraph;
  readonly #image: string;
  readonly #memory: EngineMemory;
  readonly #kernels: Kernels;
  /** Nodes that are part of an operation that is translated. */
  readonly #done = new Set<OnnxNode>();

  constructor(graph: OnnxGraph, image: string, memory: EngineMemory, kernels: Kernels) {
    this.#graph = graph;
    this.#image = image;
    this.#memory = memory;
    this.#kernels = kernels;
  }

  operations(): Operation[] {
    const operations: Operation[] = [];
    for (const node of this.#graph.nodes) {
      if (!this.#done.has(node)) operations.push(this.#translate(node));
    }
    return operations;
  }

  #translate(node: OnnxNode): Operation {
    const { name } = node;
    const input = this.#input(node, 0);
    const output = this.#output(node);
    switch (node.op) {
      case "QuantizeLinear":
        return { op: "quantise", name, input, output, ...this.#quantisation(node, 1) };
      case "DequantizeLinear":
        return { op: "dequantise", name, input, output, ...this.#quantisation(node, 1) };
      case "QLinearConv":
        return this.#convolveToLevels(node);
      case "ConvInteger":
        return this.#convolveToFloat(node);
      case "MaxPool":
        return { op: "maxPool", name, input, output, ...this.#window(node) };
      case "Add": {
        const relu = this.#onlyReader(node, "Relu");
        return { op: "addRelu", name, inputs: [input, this.#input(node, 1)], output: this.#output(relu) };
      }
      case "GlobalAveragePool":
        return { op: "averagePool", name, input, output };
      case "Flatten":
        return { op: "flatten", name, input, output };
      case "Gemm":
        return this.#dense(node);
      case "Concat":
        return { op: "concat", name, inputs: node.inputs, output };
      default:
        throw unsupported(node, `the operator ${node.op}`);
    }
  }

  #convolveToLevels(node: OnnxNode): Operation {
    const input = this.#quantisation(node, 1);
    const output = this.#quantisation(node, 6);
    const convolution = this.#convolution(node, 3, input.zero);
    const { outputs } = convolution;
    const scales = this.#floats(node, 4, outputs);
    // ONNX Runtime multiplies and divides in this order, and rounds each result to float32.
    const scale = scales.map((weight) => Math.fround(input.scale * weight) / output.scale);
    if (this.#constant(node, 5).data.some((zero) => zero !== 0))
      throw unsupported(node, "a zero point of its int8 weights other than 0");
    return {
      op: "convolve",
      name: node.name,
      input: this.#input(node, 0),
      output: this.#output(node),
      convolution,
      finish: {
        to: "u8",
        bias: this.#place(this.#int32(node, 8, outputs)),
        scale: this.#place(scale),
        zero: output.zero,
      },
    };
  }

  /** ConvInteger, Cast, Mul and Add. */
  #convolveToFloat(node: OnnxNode): Operation {
    const convolution = this.#convolution(node, 1, this.#u8(node, 2));
    if (this.#u8(node, 3) !== 128) throw unsupported(node, "a zero point of its u8 weights other than 128");
    const cast = this.#onlyReader(node, "Cast");
    if (cast.attributes.get("to")?.[0] !== castToFloat) throw unsupported(cast, "a type other than float32");
    const multiply = this.#onlyReader(cast, "Mul");
    const add = this.#onlyReader(multiply, "Add");
    const { outputs } = convolution;
    return {
      op: "convolve",
      name: node.name,
      input: this.#input(node, 0),
      output: this.#output(add),
      convolution,
      finish: {
        to: "float32",
        factor: this.#place(this.#floats(multiply, 1, outputs)),
        bias: this.#place(this.#floats(add, 1, outputs)),
      },
    };
  }

  #convolution(node: OnnxNode, weightsIndex: number, zero: number): Convolution {
    const { type, dims, data } = this.#constant(node, weightsIndex);
    const [outputs = 0, inputs = 0, height = 0, width = 0] = dims;
    const { strides, pads } = this.#attributes(node);
    if (dims.length !== 4 || data.length === 0) throw unsupported(node, "weights without four dimensions");
    if (type !== dataType.u8 && type !== dataType.int8) throw unsupported(node, `weights of type ${type}`);
    const isImage = this.#isImage(this.#input(node, 0));
    const channels = isImage ? inputs : roundUp(inputs, 8);
    const taps = height * width;
    const depth = roundUp(taps * channels, 8);
    const weightZero = type === dataType.u8 ? 128 : 0;
    const weights = this.#memory.take(roundUp(outputs, 8) * depth);
    this.#memory.fillZeros(weights, roundUp(outputs, 8) * depth);
    const source = this.#stage(data);
    const isTiled = height === 3 && width === 3 && [...strides, ...pads].every((value) => value === 1);
    const fits = () =>
      255 * this.#kernels.largestSum(source, outputs, inputs * taps, weightZero) <= maxWinogradSum;
    const method = isTiled && zero === 0 && !isImage && fits() ? "winograd" : "direct";
    if (method === "winograd")
      this.#kernels.orderByPair(source, outputs, inputs, taps, channels, weightZero, weights);
    else this.#kernels.orderByTap(source, outputs, inputs, taps, channels, depth, weightZero, weights);
    const kernel = [height, width] as const;
    return { outputs, inputs, channels, kernel, strides, pads, zero, method, weights, depth };
  }

  #dense(node: OnnxNode): Operation {
    const values = ["alpha", "beta", "transA", "transB"].map((name) => node.attributes.get(name)?.[0]);
    if (values.join() !== "1,1,0,1")
      throw unsupported(node, `alpha, beta, transA, transB of ${values.join()} instead of 1,1,0,1`);
    const [outputs = 0, features = 0] = this.#constant(node, 1).dims;
    const columns = roundUp(outputs, 4);
    const bytes = columns * features * 4;
    const weights = this.#memory.take(bytes);
    this.#memory.fillZeros(weights, bytes);
    const source = this.#stage(this.#data(node, 1, dataType.float32, outputs * features));
    this.#kernels.transpose(source, outputs, features, weights, columns);
    return {
      op: "dense",
      name: node.name,
      input: this.#input(node, 0),
      output: this.#output(node),
      features,
      outputs,
      weights,
      bias: this.#place(this.#floats(node, 2, outputs)),
    };
  }

  /** Copies bytes above everything that is taken. The next take overwrites them. */
  #stage(bytes: Uint8Array): number {
    const address = this.#memory.top;
    this.#memory.reach(address + bytes.length);
    this.#memory.write(address, bytes);
    return address;
  }

  /** Stores parameters per output. Those of the missing outputs of the last eight are zeros. */
  #place(values: Int32Array | Float32Array): number {
    const bytes = roundUp(values.length, 8) * 4;
    const address = this.#memory.take(bytes);
    this.#memory.fillZeros(address, bytes);
    this.#memory.write(address, values);
    return address;
  }

  /** Whether a value is the quantised image, which has three values per pixel. */
  #isImage(value: string): boolean {
    return this.#graph.nodes.some(
      ({ op, inputs, outputs }) =>
        op === "QuantizeLinear" && inputs[0] === this.#image && outputs[0] === value,
    );
  }

  /** Returns the node that reads the output of `node`, and takes it. */
  #onlyReader(node: OnnxNode, op: string): OnnxNode {
    const output = this.#output(node);
    const readers = this.#graph.nodes.filter(({ inputs }) => inputs.includes(output));
    const [reader] = readers;
    if (!reader || readers.length > 1 || reader.op !== op || reader.inputs[0] !== output)
      throw unsupported(
        node,
        `an output that ${readers.map((other) => other.op).join(", ") || "nothing"} reads; expected one ${op}`,
      );
    this.#done.add(reader);
    return reader;
  }

  #attributes(node: OnnxNode): Pick<Convolution, "strides" | "pads"> {
    const known = ["kernel_shape", "strides", "pads"];
    const other = [...node.attributes.keys()].find((name) => !known.includes(name));
    if (other !== undefined) throw unsupported(node, `the attribute ${other}`);
    const [top = 0, left = 0, bottom = 0, right = 0] = node.attributes.get("pads") ?? [];
    const [vertical = 1, horizontal = 1] = node.attributes.get("strides") ?? [];
    if (vertical < 1 || horizontal < 1) throw unsupported(node, `strides of ${vertical} and ${horizontal}`);
    return { strides: [vertical, horizontal], pads: [top, left, bottom, right] };
  }

  #window(node: OnnxNode): Window {
    const { strides, pads } = this.#attributes(node);
    const [kernel = 0, width] = node.attributes.get("kernel_shape") ?? [];
    if (kernel !== width || strides[0] !== strides[1] || pads[0] !== pads[1])
      throw unsupported(node, "a window that is not square");
    return { kernel, stride: strides[0], pads };
  }

  /** The scale and, after it, the zero point. */
  #quantisation(node: OnnxNode, index: number): Quantisation {
    const [scale = 0] = this.#floats(node, index, 1);
    if (!(scale > 0)) throw unsupported(node, `the scale ${scale}`);
    return { scale, zero: this.#u8(node, index + 1) };
  }

  #u8(node: OnnxNode, index: number): number {
    return this.#data(node, index, dataType.u8, 1)[0] ?? 0;
  }

  #floats(node: OnnxNode, index: number, length: number): Float32Array {
    return new Float32Array(Uint8Array.from(this.#data(node, index, dataType.float32, length)).buffer);
  }

  #int32(node: OnnxNode, index: number, length: number): Int32Array {
    return new Int32Array(Uint8Array.from(this.#data(node, index, dataType.int32, length)).buffer);
  }

  #data(node: OnnxNode, index: number, type: number, length: number): Uint8Array {
    const constant = this.#constant(node, index);
    if (constant.type !== type || constant.data.length !== length * (elementBytes[type] ?? 0))
      throw unsupported(
        node,
        `${constant.data.length} bytes of type ${constant.type} as input ${index}; expected ${length} values of type ${type}`,
      );
    return constant.data;
  }

  #constant(node: OnnxNode, index: number): OnnxConstant {
    const constant = this.#graph.constants.get(node.inputs[index] ?? "");
    const elements = constant?.dims.reduce((product, dim) => product * dim, elementBytes[constant.type] ?? 0);
    if (!constant || constant.data.length !== elements)
      throw unsupported(node, `an input ${index} that is not a constant of plain data`);
    return constant;
  }

  #input(node: OnnxNode, index: number): string {
    const name = node.inputs[index];
    if (!name || this.#graph.constants.has(name))
      throw unsupported(node, `no computed value as input ${index}`);
    return name;
  }

  #output(node: OnnxNode): string {
    const [name] = node.outputs;
    if (!name || node.outputs.length > 1) throw unsupported(node, `${node.outputs.length} outputs`);
    return name;
  }
}

/** Builds the error for a node that the engine cannot run. */
export function unsupported({ name }: { readonly name: string }, what: string): UnsupportedGraphError {
  return new UnsupportedGraphError(`the node ${name} has ${what}, which the engine does not compute`);
}

/** Runs small ONNX graphs, built in memory, with the kernels of the SIMD engine. */
import { createKernels, EngineMemory } from "../../../src/model/simd/kernels.ts";
import type { OnnxConstant, OnnxNode } from "../../../src/model/simd/onnx-file.ts";
import { type Operation, readOperations } from "../../../src/model/simd/operations.ts";
import { planNetwork } from "../../../src/model/simd/plan.ts";
import { compileKernels } from "../../support/kernels.ts";

const kernelsModule = await compileKernels();

/** A graph under construction. Each method adds a node and returns the name of its output. */
export class SmallGraph {
  readonly nodes: OnnxNode[] = [];
  readonly constants = new Map<string, OnnxConstant>();
  readonly image = "data";

  node(op: string, inputs: readonly string[], attributes: Record<string, readonly number[]> = {}): string {
    const output = `value${this.nodes.length}`;
    const entries = Object.entries(attributes);
    this.nodes.push({
      op,
      name: `${op}-${this.nodes.length}`,
      inputs,
      outputs: [output],
      attributes: new Map(entries),
    });
    return output;
  }

  constant(values: Uint8Array | Int8Array | Int32Array | Float32Array, dims: readonly number[]): string {
    const name = `constant${this.constants.size}`;
    const type =
      values instanceof Float32Array
        ? 1
        : values instanceof Uint8Array
          ? 2
          : values instanceof Int8Array
            ? 3
            : 6;
    const data = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    this.constants.set(name, { type, dims, data });
    return name;
  }

  float(value: number): string {
    return this.constant(Float32Array.of(value), []);
  }

  u8(value: number): string {
    return this.constant(Uint8Array.of(value), []);
  }

  quantise(x: string, scale = 1, zero = 0): string {
    return this.node("QuantizeLinear", [x, this.float(scale), this.u8(zero)]);
  }

  dequantise(x: string, scale = 1, zero = 0): string {
    return this.node("DequantizeLinear", [x, this.float(scale), this.u8(zero)]);
  }

  /** A QLinearConv with scales of 1 for its input and output. */
  convolveToLevels(
    x: string,
    weights: Int8Array,
    { dims, stride, pad }: Filter,
    { zero = 0, bias = 0, scale = 1 } = {},
  ): string {
    const [outputs] = dims;
    const of = (value: number) => this.constant(new Float32Array(outputs).fill(value), [outputs]);
    const inputs = [
      ...[x, this.float(1), this.u8(zero), this.constant(weights, dims), of(scale)],
      ...[this.constant(new Int8Array(outputs), [outputs]), this.float(1), this.u8(0)],
      this.constant(new Int32Array(outputs).fill(bias), [outputs]),
    ];
    return this.node("QLinearConv", inputs, window(dims, stride, pad));
  }

  /** ConvInteger, Cast, Mul and Add. */
  convolveToFloat(x: string, weights: Int8Array, filter: Filter, factor: number, bias: number): string {
    const { dims, stride, pad } = filter;
    const levels = Uint8Array.from(weights, (weight) => weight + 128);
    const inputs = [x, this.constant(levels, dims), this.u8(0), this.u8(128)];
    const sums = this.node("ConvInteger", inputs, window(dims, stride, pad));
    const real = this.node("Cast", [sums], { to: [1] });
    const of = (value: number) => this.constant(new Float32Array(dims[0]).fill(value), [1, dims[0], 1, 1]);
    return this.node("Add", [this.node("Mul", [real, of(factor)]), of(bias)]);
  }

  /** A 1x1 convolution that copies levels: its output is stored with eight channels, which the image is not. */
  copy(x: string, channels: number): string {
    const weights = new Int8Array(channels * channels);
    for (let c = 0; c < channels; c++) weights[c * channels + c] = 1;
    return this.convolveToLevels(x, weights, { dims: [channels, channels, 1, 1], stride: 1, pad: 0 });
  }

  /** Reads the graph. `operations` says, for example, by which method a convolution is computed. */
  prepare(shape: readonly [number, number, number], output: string) {
    const memory = new EngineMemory();
    const kernels = createKernels(kernelsModule, memory);
    const graph = { nodes: this.nodes, constants: this.constants, inputs: [this.image] };
    const operations: Operation[] = readOperations(graph, this.image, memory, kernels);
    const plan = planNetwork(operations, { name: this.image, shape: [1, ...shape] }, [output], memory);
    return {
      operations,
      /** Returns `count` float32 of the output, as they lie in memory: pixels of channels. */
      run: (input: Float32Array, count: number) => {
        const { buffer } = memory.wasm;
        new Float32Array(buffer, plan.input, input.length).set(input);
        for (const step of plan.steps) step.run(kernels);
        return new Float32Array(buffer, plan.outputs.get(output), count).slice();
      },
    };
  }
}

/** Shape of a convolution: [outputs, inputs, height, width], and the same stride and padding on both axes. */
export interface Filter {
  readonly dims: readonly [number, number, number, number];
  readonly stride: number;
  readonly pad: number;
}

function window([, , height, width]: Filter["dims"], stride: number, pad: number) {
  return { kernel_shape: [height, width], strides: [stride, stride], pads: [pad, pad, pad, pad] };
}

/** Map of levels, [channels][height][width]. */
export interface Levels {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly values: Uint8Array;
}

/** The sums of a convolution as its definition says: [outputs][rows][columns]. */
export function plainConvolution(map: Levels, weights: Int8Array, { dims, stride, pad }: Filter, zero = 0) {
  const [outputs, inputs, kernelHeight, kernelWidth] = dims;
  const rows = Math.floor((map.height + 2 * pad - kernelHeight) / stride) + 1;
  const columns = Math.floor((map.width + 2 * pad - kernelWidth) / stride) + 1;
  const sums = new Int32Array(outputs * rows * columns);
  for (let o = 0; o < outputs; o++)
    for (let y = 0; y < rows; y++)
      for (let x = 0; x < columns; x++) {
        let sum = 0;
        for (let c = 0; c < inputs; c++)
          for (let ky = 0; ky < kernelHeight; ky++)
            for (let kx = 0; kx < kernelWidth; kx++) {
              const [row, column] = [y * stride + ky - pad, x * stride + kx - pad];
              if (row < 0 || column < 0 || row >= map.height || column >= map.width) continue;
              const level = map.values[(c * map.height + row) * map.width + column]! - zero;
              sum += level * weights[((o * inputs + c) * kernelHeight + ky) * kernelWidth + kx]!;
            }
        sums[(o * rows + y) * columns + x] = sum;
      }
  return { sums, rows, columns };
}

/** Pooling and the dense layer of the SIMD engine: the order of summation decides the last bits. */
import { describe, expect, test } from "vitest";
import { Random } from "../../../cli/pack/random.ts";
import { SmallGraph } from "./small-network.ts";

const random = new Random(50);
const { fround } = Math;

/** A map of 8 channels as levels, and its float32 values in the graph: levels times 0.37. */
function floatMap(graph: SmallGraph, height: number, width: number) {
  const levels = new Uint8Array(8 * height * width).map(() => random.below(256));
  const value = graph.dequantise(graph.copy(graph.quantise(graph.image), 8), 0.37);
  return { value, levels, floats: Float32Array.from(levels, (level) => fround(level * fround(0.37))) };
}

describe("max pooling", () => {
  test.each([
    [3, 2, 1],
    [2, 2, 0],
    [3, 1, 1],
  ])(
    "with a window of %i, a stride of %i and a padding of %i takes the largest level inside the map",
    (kernel, stride, pad) => {
      for (const [height, width] of [
        [1, 1],
        [2, 3],
        [7, 8],
        [9, 5],
      ] as const) {
        if (Math.min(height, width) + 2 * pad < kernel) continue;
        const graph = new SmallGraph();
        const levels = new Uint8Array(8 * height * width).map(() => random.below(256));
        const pooled = graph.node("MaxPool", [graph.copy(graph.quantise(graph.image), 8)], {
          kernel_shape: [kernel, kernel],
          strides: [stride, stride],
          pads: [pad, pad, pad, pad],
        });
        const { run } = graph.prepare([8, height, width], graph.dequantise(pooled));
        const size = (length: number) => Math.floor((length + 2 * pad - kernel) / stride) + 1;
        const [rows, columns] = [size(height), size(width)];
        const actual = run(Float32Array.from(levels), rows * columns * 8);
        for (let c = 0; c < 8; c++)
          for (let y = 0; y < rows; y++)
            for (let x = 0; x < columns; x++) {
              let largest = 0;
              for (let row = y * stride - pad; row < y * stride - pad + kernel; row++)
                for (let column = x * stride - pad; column < x * stride - pad + kernel; column++)
                  if (row >= 0 && row < height && column >= 0 && column < width)
                    largest = Math.max(largest, levels[(c * height + row) * width + column]!);
              expect(actual[(y * columns + x) * 8 + c]).toBe(largest);
            }
      }
    },
  );
});

test("average pooling adds every fourth pixel to one of four sums, then these, then the rest", () => {
  for (const [height, width] of [
    [1, 1],
    [1, 3],
    [2, 2],
    [3, 3],
    [7, 7],
    [5, 2],
  ] as const) {
    const graph = new SmallGraph();
    const { value, levels, floats } = floatMap(graph, height, width);
    const pooled = graph.node("GlobalAveragePool", [value]);
    const { run } = graph.prepare([8, height, width], pooled);
    const actual = run(Float32Array.from(levels), 8);
    const pixels = height * width;
    for (let c = 0; c < 8; c++) {
      const values = floats.subarray(c * pixels, (c + 1) * pixels);
      const sums = [0, 0, 0, 0];
      const fours = pixels - (pixels % 4);
      for (let i = 0; i < fours; i++) sums[i % 4] = fround(sums[i % 4]! + values[i]!);
      let sum = fround(fround(sums[0]! + sums[2]!) + fround(sums[1]! + sums[3]!));
      for (let i = fours; i < pixels; i++) sum = fround(sum + values[i]!);
      expect(actual[c]).toBe(fround(sum / pixels));
    }
  }
});

/** Gemm in the order of ONNX Runtime: 256 features at a time. */
function dense(features: Float32Array, weights: Float32Array, bias: Float32Array): Float32Array {
  return bias.map((start, o) => {
    let total = start;
    for (let first = 0; first < features.length; first += 256) {
      let sum = 0;
      for (let i = first; i < Math.min(first + 256, features.length); i++)
        sum = fround(sum + fround(features[i]! * weights[o * features.length + i]!));
      total = fround(sum + total);
    }
    return total;
  });
}

const randomFloats = (length: number) => new Float32Array(length).map(() => random.between(-1, 1));
const gemm = { alpha: [1], beta: [1], transA: [0], transB: [1] };

/** Features as the quantised image of one pixel, which is the only way into a graph. */
function featuresOf(graph: SmallGraph, count: number) {
  const channels = Math.ceil(count / 8) * 8;
  const levels = new Uint8Array(channels).map(() => random.below(256));
  const value = graph.dequantise(graph.copy(graph.quantise(graph.image), channels), 0.37);
  const pooled = graph.node("GlobalAveragePool", [value]);
  const features = Float32Array.from(levels.subarray(0, count), (level) => fround(level * fround(0.37)));
  return { flat: graph.node("Flatten", [pooled], { axis: [1] }), channels, levels, features };
}

describe("a dense layer", () => {
  test.each([
    [8, 1],
    [8, 3],
    [256, 10],
    [264, 5],
    [512, 7],
  ])("of %i features and %i outputs adds in ONNX Runtime's order", (count, outputs) => {
    const graph = new SmallGraph();
    const { flat, channels, levels, features } = featuresOf(graph, count);
    const [weights, bias] = [randomFloats(outputs * count), randomFloats(outputs)];
    const inputs = [flat, graph.constant(weights, [outputs, count]), graph.constant(bias, [outputs])];
    const { run } = graph.prepare([channels, 1, 1], graph.node("Gemm", inputs, gemm));
    expect(run(Float32Array.from(levels), outputs)).toEqual(dense(features, weights, bias));
  });

  test("in parts of any size gives the outputs of the whole", () => {
    const graph = new SmallGraph();
    const count = 264;
    const { flat, channels, levels, features } = featuresOf(graph, count);
    const [weights, bias] = [randomFloats(17 * count), randomFloats(17)];
    const part = (from: number, to: number) => {
      const rows = graph.constant(weights.slice(from * count, to * count), [to - from, count]);
      return graph.node("Gemm", [flat, rows, graph.constant(bias.slice(from, to), [to - from])], gemm);
    };
    const parts = [part(0, 5), part(5, 11), part(11, 17)];
    const { run } = graph.prepare([channels, 1, 1], graph.node("Concat", parts, { axis: [1] }));
    expect(run(Float32Array.from(levels), 17)).toEqual(dense(features, weights, bias));
  });

  test("with other attributes is refused", () => {
    for (const other of [{ alpha: [2] }, { beta: [0] }, { transA: [1] }, { transB: [0] }]) {
      const graph = new SmallGraph();
      const { flat, channels } = featuresOf(graph, 8);
      const inputs = [flat, graph.constant(randomFloats(16), [2, 8]), graph.constant(randomFloats(2), [2])];
      const output = graph.node("Gemm", inputs, { ...gemm, ...other });
      expect(() => graph.prepare([channels, 1, 1], output)).toThrow(/instead of 1,1,0,1/);
    }
  });
});

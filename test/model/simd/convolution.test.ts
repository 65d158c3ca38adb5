/** Convolutions of the SIMD engine against their definition. */
import { describe, expect, test } from "vitest";
import { Random } from "../../../cli/pack/random.ts";
import type { Operation } from "../../../src/model/simd/operations.ts";
import { type Filter, type Levels, plainConvolution, SmallGraph } from "./small-network.ts";

const random = new Random(18);
const integer = (low: number, high: number) => low + random.below(high - low + 1);

function randomMap(channels: number, height: number, width: number): Levels {
  const values = new Uint8Array(channels * height * width).map(() => integer(0, 255));
  return { channels, height, width, values };
}

const randomWeights = ({ dims }: Filter) =>
  new Int8Array(dims.reduce((product, dim) => product * dim)).map(() => integer(-127, 127));

function methodsOf(operations: readonly Operation[]): string[] {
  return operations.flatMap((operation) =>
    operation.op === "convolve" ? [operation.convolution.method] : [],
  );
}

/** Runs the convolution, with factor 1 and no bias, so that its sums are the output. */
function run(map: Levels, weights: Int8Array, filter: Filter) {
  const graph = new SmallGraph();
  const x = graph.copy(graph.quantise(graph.image), map.channels);
  const output = graph.convolveToFloat(x, weights, filter, 1, 0);
  const { operations, run } = graph.prepare([map.channels, map.height, map.width], output);
  const expected = plainConvolution(map, weights, filter);
  const [outputs] = filter.dims;
  const stored = Math.ceil(outputs / 8) * 8;
  const pixels = expected.rows * expected.columns;
  const actual = run(Float32Array.from(map.values), pixels * stored);
  const sums = Float32Array.from({ length: outputs * pixels }, (_, i) => {
    const [output, pixel] = [Math.floor(i / pixels), i % pixels];
    return actual[pixel * stored + output]!;
  });
  return { sums, expected: Float32Array.from(expected.sums), method: methodsOf(operations).at(-1) };
}

const family: [string, number, number, number, string][] = [
  ["3x3, stride 1", 3, 1, 1, "winograd"],
  ["3x3, stride 2", 3, 2, 1, "direct"],
  ["1x1, stride 1", 1, 1, 0, "direct"],
  ["1x1, stride 2", 1, 2, 0, "direct"],
  ["3x3 without padding", 3, 1, 0, "direct"],
  ["5x5", 5, 1, 2, "direct"],
];

describe.each(family)("a convolution of %s", (_, side, stride, pad, method) => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8, 9])(
    "of maps of %i rows equals its definition, whatever the columns and channels",
    (height) => {
      for (const [width, inputs, outputs] of [
        [height, 8, 8],
        [9 - (height % 4), 3, 5],
        [height + 1, 17, 12],
        [1 + (height % 3), 1, 1],
      ] as const) {
        if (height + 2 * pad < side || width + 2 * pad < side) continue;
        const filter: Filter = { dims: [outputs, inputs, side, side], stride, pad };
        const {
          sums,
          expected,
          method: used,
        } = run(randomMap(inputs, height, width), randomWeights(filter), filter);
        expect(used).toBe(method);
        expect(sums).toEqual(expected);
      }
    },
  );
});

describe("extremes", () => {
  const filter = (channels: number): Filter => ({ dims: [8, channels, 3, 3], stride: 1, pad: 1 });
  const full = (channels: number): Levels => {
    const map = { channels, height: 5, width: 6 };
    return { ...map, values: new Uint8Array(channels * 30).fill(255) };
  };

  test.each([
    ["512 channels of 127, beyond the bound", 512, 127, "direct"],
    ["512 channels of -127, beyond the bound", 512, -127, "direct"],
    ["115 channels of 127, just within the bound", 115, 127, "winograd"],
    ["115 channels of -127, just within the bound", 115, -127, "winograd"],
    ["116 channels of 127, just beyond the bound", 116, 127, "direct"],
    ["512 channels of 28, just within the bound", 512, 28, "winograd"],
  ])("inputs of 255 and %s are exact", (_, channels, weight, method) => {
    const weights = new Int8Array(8 * channels * 9).fill(weight);
    const { sums, expected, method: used } = run(full(channels), weights, filter(channels));
    expect(used).toBe(method);
    expect(sums).toEqual(expected);
  });

  test("512 channels of large weights of both signs are exact, although the products exceed int32", () => {
    // The signs alternate by channel, so each sign stays within the bound, and within a tile nothing cancels.
    const channels = 224;
    const weights = new Int8Array(8 * channels * 9).map((_, i) => (Math.floor(i / 9) % 2 === 0 ? 127 : -127));
    const map = randomMap(channels, 6, 6);
    map.values.forEach((_, i) => {
      map.values[i] = Math.floor(i / 36) % 2 === 0 ? 255 : 0;
    });
    const { sums, expected, method } = run(map, weights, filter(channels));
    expect(method).toBe("winograd");
    expect(sums).toEqual(expected);
  });

  test("weights of -128 are exact", () => {
    const weights = new Int8Array(8 * 64 * 9).fill(-128);
    const { sums, expected, method } = run(full(64), weights, filter(64));
    expect(method).toBe("winograd");
    expect(sums).toEqual(expected);
  });
});

test("the first convolution reads the image without padding of its channels, and pads with its zero point", () => {
  for (const [height, width] of [
    [7, 7],
    [8, 9],
    [1, 1],
    [12, 5],
  ] as const) {
    const filter: Filter = { dims: [10, 3, 7, 7], stride: 2, pad: 3 };
    const map = randomMap(3, height, width);
    const weights = new Int8Array(10 * 147).map(() => integer(-2, 2));
    const zero = 114;
    const graph = new SmallGraph();
    const x = graph.quantise(graph.image, 1, zero);
    const levels = graph.convolveToLevels(x, weights, filter, { zero, bias: 37, scale: 0.25 });
    const output = graph.dequantise(levels);
    const { run } = graph.prepare([3, height, width], output);
    const { sums, rows, columns } = plainConvolution(map, weights, filter, zero);
    const actual = run(
      Float32Array.from(map.values, (level) => level - zero),
      rows * columns * 16,
    );
    for (let o = 0; o < 10; o++)
      for (let pixel = 0; pixel < rows * columns; pixel++)
        expect(actual[pixel * 16 + o]).toBe(toLevel((sums[o * rows * columns + pixel]! + 37) * 0.25));
  }
});

/** Clips to 0..255 and rounds to even. */
function toLevel(value: number): number {
  const clipped = Math.min(255, Math.max(0, value));
  const floor = Math.floor(clipped);
  const rest = clipped - floor;
  if (rest !== 0.5) return Math.round(clipped);
  return floor % 2 === 0 ? floor : floor + 1;
}

test("a residual block adds its shortcut in float32, and clips below at 0", () => {
  const filter: Filter = { dims: [8, 8, 3, 3], stride: 1, pad: 1 };
  const map = randomMap(8, 6, 7);
  const weights = randomWeights(filter);
  const [factor, bias] = [Math.fround(0.0123), Math.fround(-3.7)];
  const graph = new SmallGraph();
  const x = graph.copy(graph.quantise(graph.image), 8);
  const branch = graph.convolveToFloat(x, weights, filter, factor, bias);
  const sum = graph.node("Add", [branch, graph.dequantise(x, 0.5)]);
  const output = graph.node("Relu", [sum]);
  const { run } = graph.prepare([8, 6, 7], output);
  const { sums } = plainConvolution(map, weights, filter);
  const actual = run(Float32Array.from(map.values), 42 * 8);
  for (let c = 0; c < 8; c++)
    for (let pixel = 0; pixel < 42; pixel++) {
      const linear = Math.fround(Math.fround(sums[c * 42 + pixel]! * factor) + bias);
      const added = Math.fround(linear + map.values[c * 42 + pixel]! * 0.5);
      expect(actual[pixel * 8 + c]).toBe(Math.max(0, added));
    }
});

import { describe, expect, test } from "vitest";
import { Histogram, searchRange, squaredError } from "../../../cli/pack/calibrate.ts";
import {
  pixelRange,
  quantiseBias,
  quantiseWeights,
  rangeAfterRelu,
} from "../../../cli/pack/quantised-graph.ts";
import { Random } from "../../../cli/pack/random.ts";
import type { ConvLayer } from "../../../cli/pack/resnet.ts";

const layer = (dims: ConvLayer["dims"], weight: Float32Array): ConvLayer => ({
  name: "c",
  source: "c",
  weight,
  dims,
  bias: new Float32Array(dims[0]),
  strides: [1, 1],
  pads: [0, 0, 0, 0],
  relu: true,
});

describe("quantised weights", () => {
  test("use the whole of -127..127 in each output channel, and are off by at most half a step", () => {
    const random = new Random(1);
    const weight = Float32Array.from({ length: 24 }, (_, i) => random.normal() * (i < 12 ? 1 : 1e-3));
    const { levels, scales } = quantiseWeights(layer([2, 3, 2, 2], weight));
    for (const [channel, scale] of scales.entries()) {
      const row = levels.subarray(channel * 12, channel * 12 + 12);
      expect(Math.max(...row.map(Math.abs))).toBe(127);
      row.forEach((level, i) => {
        expect(Math.abs(level * scale - weight[channel * 12 + i]!)).toBeLessThanOrEqual(scale * 0.5001);
      });
    }
    expect(scales[0]! / scales[1]!).toBeGreaterThan(100);
  });

  test("of a channel that is all zero stay zero, with a finite scale", () => {
    const { levels, scales } = quantiseWeights(layer([1, 1, 1, 2], new Float32Array(2)));
    expect(Array.from(levels)).toEqual([0, 0]);
    expect(scales[0]).toBeGreaterThan(0);
  });
});

test("a bias counts steps of input scale times weight scale, within int32", () => {
  expect(Array.from(quantiseBias(Float32Array.of(1, -0.5), 0.5, Float32Array.of(0.01, 0.1)))).toEqual([
    200, -10,
  ]);
  expect(Array.from(quantiseBias(Float32Array.of(1e9, -1e9), 1e-4, Float32Array.of(1e-4, 1e-4)))).toEqual([
    2 ** 31 - 1,
    -(2 ** 31),
  ]);
});

test("the range of pixels reaches from black to white in every channel and holds zero exactly", () => {
  const { scale, zeroPoint } = pixelRange({ mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] });
  expect((0 - zeroPoint) * scale).toBeLessThan(-0.485 / 0.229 + scale);
  expect((255 - zeroPoint) * scale).toBeGreaterThan(0.594 / 0.225 - scale);
  expect(Number.isInteger(zeroPoint)).toBe(true);
});

describe("a histogram", () => {
  test("that had to grow is that of one that saw the largest value first", () => {
    const random = new Random(2);
    const values = Float32Array.from({ length: 4000 }, () => Math.abs(random.normal()));
    const large = Float32Array.of(7.9);
    const [grown, ready] = [new Histogram(64), new Histogram(64)];
    grown.add(Float32Array.of(2));
    grown.counts.fill(0);
    grown.add(values);
    grown.add(large);
    ready.add(Float32Array.of(8));
    ready.counts.fill(0);
    ready.add(values);
    ready.add(large);
    expect(grown.width).toBe(ready.width);
    expect(Array.from(grown.counts)).toEqual(Array.from(ready.counts));
    expect(grown.max).toBe(Math.fround(7.9));
  });

  test("counts weights, and leaves zeros out", () => {
    const histogram = new Histogram(4);
    histogram.add(new Float32Array(3));
    expect(histogram.width).toBe(0);
    histogram.add(Float32Array.of(0, 1, 4), 0.5);
    histogram.add(Float32Array.of(1.5), 2);
    expect(Array.from(histogram.counts)).toEqual([0, 2.5, 0, 0.5]);
  });

  test.each([[-1], [Number.NaN], [Number.POSITIVE_INFINITY]])("refuses %d", (value) => {
    expect(() => new Histogram().add(Float32Array.of(1, value))).toThrow(RangeError);
  });
});

describe("the range of an activation", () => {
  test("clips rare large values, because all others gain", () => {
    const random = new Random(3);
    const histogram = new Histogram();
    histogram.add(
      Float32Array.from({ length: 20_000 }, () => Math.max(0, random.normal())),
      1000,
    );
    histogram.add(Float32Array.of(12));
    const range = searchRange(histogram);
    expect(range.zeroPoint).toBe(0);
    expect(range.scale * 255).toBeLessThan(8);
    expect(range.scale * 255).toBeGreaterThan(2.5);
    expect(squaredError(histogram, range)).toBeLessThan(squaredError(histogram, rangeAfterRelu(12)));
  });

  test("does not clip values that are evenly spread", () => {
    const histogram = new Histogram();
    histogram.add(Float32Array.from({ length: 10_000 }, (_, i) => (i * 5) / 10_000));
    expect(searchRange(histogram).scale * 255).toBeCloseTo(5, 1);
  });

  test("of values that are all zero is usable", () => {
    const histogram = new Histogram();
    histogram.add(new Float32Array(10));
    expect(searchRange(histogram).scale).toBeGreaterThan(0);
  });
});

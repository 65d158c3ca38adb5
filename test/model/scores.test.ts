import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { applyFunction, l2Normalised, sigmoid, softmax, topK } from "../../src/model/scores.ts";

const labels = ["a", "b", "c", "d"].map((label) => ({ id: `n-${label}`, label }));

describe("softmax", () => {
  test("returns the expected values", () => {
    const scores = softmax(Float32Array.of(0, Math.log(2), Math.log(5)));
    [1 / 8, 2 / 8, 5 / 8].forEach((expected, i) => void expect(scores[i]).toBeCloseTo(expected, 6));
  });

  test("sums to one and keeps the order for any finite logits", () => {
    const logits = fc.float32Array({ minLength: 1, maxLength: 50, noNaN: true, noDefaultInfinity: true });
    return fc.assert(
      fc.property(logits, (values) => {
        const scores = softmax(values);
        expect(scores.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 9);
        for (let i = 1; i < values.length; i++) {
          if (values[i]! > values[0]!) expect(scores[i]).toBeGreaterThanOrEqual(scores[0]!);
        }
      }),
    );
  });
});

describe("topK", () => {
  test("is sorted, best first, with label, id and class index", () => {
    expect(topK(Float64Array.of(0.1, 0.2, 0.6, 0.1), labels, 2)).toEqual([
      { label: "c", id: "n-c", index: 2, score: 0.6 },
      { label: "b", id: "n-b", index: 1, score: 0.2 },
    ]);
  });

  test("keeps the order of classes for equal scores", () => {
    const order = topK(Float64Array.of(0.25, 0.25, 0.25, 0.25), labels, 4).map(({ index }) => index);
    expect(order).toEqual([0, 1, 2, 3]);
  });
});

describe("the other functions", () => {
  test("sigmoid maps each logit alone, extremes included", () => {
    const scores = sigmoid(Float32Array.of(0, Math.log(3), 1e30, -1e30));
    [0.5, 0.75, 1, 0].forEach((expected, i) => void expect(scores[i]).toBeCloseTo(expected, 6));
  });

  test("none returns the logits", () => {
    expect(applyFunction(Float32Array.of(-2, 0.5), "none")).toEqual(Float64Array.of(-2, 0.5));
  });
});

describe("l2Normalised", () => {
  test("returns a vector of length 1 and the same direction; zeros stay zero", () => {
    const vector = Float32Array.of(3, -4);
    expect(l2Normalised(vector)).toEqual(Float32Array.of(0.6, -0.8));
    expect(vector).toEqual(Float32Array.of(3, -4));
    expect(l2Normalised(new Float32Array(2))).toEqual(new Float32Array(2));
  });
});

import { describe, expect, test } from "vitest";
import { crossEntropy, logisticSolver } from "../../../cli/head/logistic.ts";
import { apply } from "../../../cli/head/prototype.ts";
import { type Rows, rowsOf, type Sample } from "../../../cli/head/rows.ts";
import { Random } from "../../../cli/pack/random.ts";

/** Three classes around three corners, on features of very different scale. */
function samples(count: number, views = 1): Sample[] {
  const random = new Random(7);
  return Array.from({ length: count }, (_, i) => {
    const classIndex = i % 3;
    const view = () =>
      Float32Array.of(
        1000 + 100 * ((classIndex === 0 ? 2 : 0) + random.normal()),
        0.01 * ((classIndex === 1 ? 2 : 0) + random.normal()),
        random.normal(),
        5,
      );
    const image = { file: `${i}.jpg`, sha256: String(i), classIndex, logits: [] };
    return { ...image, views: Array.from({ length: views }, view) };
  });
}

function numericGradient(rows: Rows, x: Float64Array, strength: number): Float64Array {
  const objective = crossEntropy(rows, 3, strength);
  const step = 1e-6;
  return x.map((_, i) => {
    const [up, down] = [x.slice(), x.slice()];
    up[i]! += step;
    down[i]! -= step;
    const scratch = new Float64Array(x.length);
    return (objective(up, scratch) - objective(down, scratch)) / (2 * step);
  });
}

describe("the regression", () => {
  test("has the gradient of its loss", () => {
    const random = new Random(3);
    const rows: Rows = {
      features: Float64Array.from({ length: 40 }, () => random.normal()),
      classes: [0, 1, 2, 1, 0, 2, 2, 1, 0, 0],
      weights: [1, 0.5, 0.5, 1, 1, 0.25, 1, 1, 1, 1],
      size: 4,
    };
    const x = Float64Array.from({ length: 15 }, () => random.normal());
    const gradient = new Float64Array(15);
    crossEntropy(rows, 3, 0.3)(x, gradient);
    const expected = numericGradient(rows, x, 0.3);
    for (const [i, component] of gradient.entries()) expect(component).toBeCloseTo(expected[i]!, 7);
  });

  test("predicts each class as often as it occurs, at the minimum", () => {
    // The bias is not penalised, so its gradient is 0 when the sum of probabilities equals the number of images.
    const train = samples(60);
    const fit = logisticSolver(rowsOf(train), 3)(0.1);
    expect(fit.minimum.gradientNorm).toBeLessThanOrEqual(1e-6);
    const sums = [0, 0, 0];
    for (const { views } of train) {
      const logits = apply(fit, views[0]!);
      const exponentials = Array.from(logits, (logit) => Math.exp(logit - Math.max(...logits)));
      const total = exponentials.reduce((sum, value) => sum + value, 0);
      for (const [c, value] of exponentials.entries()) sums[c]! += value / total;
    }
    for (const sum of sums) expect(sum).toBeCloseTo(20, 3);
  });

  test("does not depend on the scale of features, and accepts a constant feature", () => {
    const train = samples(60);
    const scaled = train.map((sample) => ({
      ...sample,
      views: sample.views.map((view) => view.map((value, i) => (i === 1 ? value * 1024 : value))),
    }));
    const [fit, other] = [train, scaled].map((set) => logisticSolver(rowsOf(set), 3)(0.1));
    for (const [i, { views }] of train.entries()) {
      const logits = apply(fit!, views[0]!);
      const again = apply(other!, scaled[i]!.views[0]!);
      for (const [c, logit] of logits.entries()) expect(again[c]).toBeCloseTo(logit, 3);
    }
  });

  test("has smaller weights with a stronger penalty, and the same weights with a warm start", () => {
    const solver = logisticSolver(rowsOf(samples(60)), 3);
    const norm = (strength: number, solve = solver) =>
      Math.hypot(...solve(strength).weights.map((weight, i) => weight * [100, 0.01, 1, 1][i % 4]!));
    const strong = norm(1);
    const weak = norm(0.01);
    expect(strong).toBeLessThan(weak / 2);
    expect(norm(0.01, logisticSolver(rowsOf(samples(60)), 3))).toBeCloseTo(weak, 4);
  });

  test("counts an image once, regardless of its number of views", () => {
    const rows = rowsOf(samples(6, 4));
    expect(rows.weights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(6, 12);
    const once = samples(6);
    const fourTimes = once.map((sample) => ({ ...sample, views: Array(4).fill(sample.views[0]!) }));
    const [fit, other] = [once, fourTimes].map((set) => logisticSolver(rowsOf(set), 3)(0.5));
    for (const [i, bias] of fit!.bias.entries()) expect(other!.bias[i]).toBeCloseTo(bias, 4);
  });
});

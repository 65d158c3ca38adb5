/** Temperature and thresholds, measured on logits that a known process makes. */
import { describe, expect, test } from "vitest";
import { type Labelled, measureScores, unmeasuredScores } from "../../../cli/pack/measure-scores.ts";
import { Random } from "../../../cli/pack/random.ts";
import { softmax } from "../../../src/model/scores.ts";

const classCount = 5;

/** Draws each true class from softmax(logits / temperature): that temperature calibrates the logits. */
function drawn(count: number, temperature: number, seed: number): Labelled {
  const random = new Random(seed);
  const logits = Array.from({ length: count }, () =>
    Float32Array.from({ length: classCount }, () => random.between(-6, 6)),
  );
  const classes = logits.map((row) => {
    let left = random.uniform();
    const drawnClass = softmax(row, temperature).findIndex((p) => {
      left -= p;
      return left <= 0;
    });
    return Math.max(0, drawnClass);
  });
  return { logits, classes };
}

describe("measureScores", () => {
  test("finds the temperature that made the labels, and reports a smaller error", () => {
    const { temperature, evaluation } = measureScores(drawn(4000, 3, 1), 0.8);
    expect(temperature).toBeGreaterThan(2.7);
    expect(temperature).toBeLessThan(3.3);
    expect(evaluation!.photographs).toBe(4000);
    expect(evaluation!.calibration_error as number).toBeLessThan(0.04);
    expect(evaluation!.calibration_error_before as number).toBeGreaterThan(0.15);
  });

  test("confident answers reach the precision on images that did not choose the threshold", () => {
    const { confident } = measureScores(drawn(4000, 1, 2), 0.9);
    expect(confident!.target).toBe(0.9);
    expect(confident!.precision).toBeGreaterThan(0.88);
    expect(confident!.coverage).toBeGreaterThan(0.1);
    expect(confident!.foreign).toBeNull();
  });

  test("foreign images with flat logits count as unknown, and rarely as confident", () => {
    const flat = drawn(500, 1, 3).logits.map((row) => row.map((logit) => logit / 20));
    const { confident, unknown } = measureScores(drawn(4000, 1, 4), 0.8, flat);
    expect(confident!.foreign).toBe(0);
    expect(unknown!.foreign).toBe(1);
    expect(unknown!.auroc!.right).toBeGreaterThan(0.99);
    expect(unknown!.rejected).toBeCloseTo(0.1, 2);
  });

  test("no threshold is reported where none reaches the precision", () => {
    const { logits, classes } = drawn(400, 1, 5);
    const wrong = classes.map((c, i) => (i % 2 ? c : (c + 1) % classCount));
    expect(measureScores({ logits, classes: wrong }, 0.9).confident).toBeNull();
  });

  test("too few photographs leave the scores as they are", () => {
    expect(measureScores(drawn(99, 2, 6), 0.8)).toBe(unmeasuredScores);
  });
});

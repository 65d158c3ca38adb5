/** Calibration error, thresholds and rankings, on outcomes whose statistics are known. */
import { describe, expect, test } from "vitest";
import {
  areaUnderCurve,
  calibrationError,
  chanceCalibrationError,
  confidenceThreshold,
  type Outcome,
  quantile,
  shareAbove,
} from "../../../cli/pack/confidence.ts";
import { Random } from "../../../cli/pack/random.ts";

/** `count` images with the same confidence, of which `right` are right. */
const images = (count: number, confidence: number, right: number): Outcome[] =>
  Array.from({ length: count }, (_, i) => ({ confidence, isRight: i < right }));

describe("calibrationError", () => {
  test("is the mean gap between confidence and accuracy, weighted by the size of a bin", () => {
    expect(calibrationError(images(10, 0.9, 9))).toBeCloseTo(0, 12);
    expect(calibrationError(images(10, 0.9, 5))).toBeCloseTo(0.4, 12);
    expect(calibrationError([...images(30, 0.9, 15), ...images(10, 0.5, 5)])).toBeCloseTo(0.3, 12);
  });

  test("counts a confidence of 1 in the last bin", () => {
    expect(calibrationError(images(4, 1, 3))).toBeCloseTo(0.25, 12);
  });
});

describe("chanceCalibrationError", () => {
  test("is the mean error of images that are right as often as their confidences say", () => {
    const random = new Random(1);
    const confidences = Array.from({ length: 300 }, () => random.between(0.2, 1));
    const draw = () =>
      confidences.map((confidence) => ({ confidence, isRight: random.uniform() < confidence }));
    const errors = Array.from({ length: 200 }, () => calibrationError(draw()));
    const mean = errors.reduce((sum, error) => sum + error, 0) / errors.length;
    expect(mean).toBeGreaterThan(0.04);
    expect(Math.abs(chanceCalibrationError(draw()) - mean)).toBeLessThan(0.05 * mean);
  });

  test("halves with four times the images", () => {
    const ratio = chanceCalibrationError(images(400, 0.7, 0)) / chanceCalibrationError(images(100, 0.7, 0));
    expect(ratio).toBeCloseTo(0.5, 12);
  });
});

describe("confidenceThreshold", () => {
  test("takes the lowest confidence above which enough images are right", () => {
    const outcomes = [...images(200, 0.9, 190), ...images(200, 0.6, 160), ...images(200, 0.3, 20)];
    const found = confidenceThreshold(outcomes, 0.8)!;
    expect(found.threshold).toBe(0.6);
    expect(found.precision).toBeCloseTo(350 / 400, 12);
    expect(found.coverage).toBeCloseTo(400 / 600, 12);
  });

  test("asks for more than the plain share, because few images prove little", () => {
    // 25 of 30 is 83%, whose lower bound is 76%.
    expect(confidenceThreshold(images(30, 0.9, 25), 0.8)).toBeUndefined();
    expect(confidenceThreshold(images(30, 0.9, 27), 0.8)?.threshold).toBe(0.9);
    // 19 images are too few, even if all are right.
    expect(confidenceThreshold(images(19, 0.9, 19), 0.8)).toBeUndefined();
  });

  test("never separates images of equal confidence", () => {
    const outcomes = [...images(20, 0.9, 20), ...images(20, 0.9, 0)];
    expect(confidenceThreshold(outcomes, 0.8)).toBeUndefined();
  });
});

test("quantiles, shares and the area under the ROC curve", () => {
  const values = [5, 1, 4, 2, 3];
  expect([quantile(values, 0), quantile(values, 0.5), quantile(values, 1)]).toEqual([1, 3, 5]);
  expect(shareAbove(values, 3)).toBeCloseTo(0.4, 12);
  expect(areaUnderCurve([3, 4], [1, 2])).toBe(1);
  expect(areaUnderCurve([1, 2], [1, 2])).toBe(0.5);
  expect(areaUnderCurve([0], [1, 2])).toBe(0);
});

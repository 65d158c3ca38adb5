import { describe, expect, test } from "vitest";
import { stratifiedFolds } from "../../../cli/head/cross-validate.ts";
import { fitTemperature, logLoss, metricsOf, wilson } from "../../../cli/head/metrics.ts";
import { classMeans, prototypes } from "../../../cli/head/prototype.ts";
import { learnUnknown, smallestClass, trainHead } from "../../../cli/head/train.ts";
import { headFile } from "../../../cli/head/write-head.ts";
import { plainLabels } from "../../../cli/pack/labels.ts";
import { Random } from "../../../cli/pack/random.ts";
import { silentProgress } from "../../../cli/terminal/progress.ts";
import { defaultModelName } from "../../../src/default-model.ts";
import { nearestCosine, parseHead } from "../../../src/head/head.ts";

const logOf = (...shares: number[]) => Float64Array.from(shares, Math.log);

describe("folds", () => {
  const classes = [...Array(26).fill(0), ...Array(13).fill(1), ...Array(7).fill(2)] as number[];

  test("spread every class evenly", () => {
    const folds = stratifiedFolds(classes, 5, 1);
    for (const [c, size] of [
      [0, 26],
      [1, 13],
      [2, 7],
    ] as const) {
      const counts = [0, 1, 2, 3, 4].map(
        (fold) => folds.filter((f, i) => f === fold && classes[i] === c).length,
      );
      expect(Math.min(...counts)).toBe(Math.floor(size / 5));
      expect(Math.max(...counts)).toBe(Math.ceil(size / 5));
    }
    const sizes = [0, 1, 2, 3, 4].map((fold) => folds.filter((f) => f === fold).length);
    expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
  });

  test("are the same for the same seed, and differ for another", () => {
    expect(stratifiedFolds(classes, 5, 1)).toEqual(stratifiedFolds(classes, 5, 1));
    expect(stratifiedFolds(classes, 5, 2)).not.toEqual(stratifiedFolds(classes, 5, 1));
  });

  test("smallestClass counts the images of the smallest class", () => {
    expect(smallestClass(classes)).toBe(7);
  });
});

describe("metrics", () => {
  const scored = {
    logits: [logOf(0.9, 0.1), logOf(0.6, 0.4), logOf(0.3, 0.7), logOf(0.8, 0.2)],
    classes: [0, 1, 1, 0],
  };

  test("match a calculation by hand", () => {
    const metrics = metricsOf(scored, 2, 1);
    expect(metrics.correct).toBe(3);
    expect(metrics.confusion).toEqual([
      [2, 0],
      [1, 1],
    ]);
    expect(metrics.recall).toEqual([1, 0.5]);
    expect(metrics.precision).toEqual([2 / 3, 1]);
    expect(metrics.log_loss).toBeCloseTo(-Math.log(0.9 * 0.4 * 0.7 * 0.8) / 4, 12);
    // |0.9 - 1| + |0.6 - 0| + |0.7 - 1| + |0.8 - 1|, each in a bin of its own, over 4
    expect(metrics.ece).toBeCloseTo((0.1 + 0.6 + 0.3 + 0.2) / 4, 12);
  });

  test("have no precision for a class that is never predicted", () => {
    expect(metricsOf({ logits: [logOf(0.9, 0.1)], classes: [1] }, 2, 1).precision).toEqual([0, null]);
  });

  test("have Wilson's interval", () => {
    const [low, high] = wilson(8, 10);
    expect(low).toBeCloseTo(0.4902, 3);
    expect(high).toBeCloseTo(0.9433, 3);
    expect(wilson(10, 10)[1]).toBe(1);
    expect(wilson(0, 10)[0]).toBe(0);
  });
});

describe("the temperature", () => {
  const random = new Random(5);
  const logits = Array.from({ length: 200 }, () =>
    Float64Array.from({ length: 3 }, () => 4 * random.normal()),
  );
  const classes = logits.map((row) =>
    random.uniform() < 0.7 ? row.indexOf(Math.max(...row)) : random.below(3),
  );

  test("is better than every point of a fine grid", () => {
    const fitted = fitTemperature({ logits, classes });
    const loss = (temperature: number) => logLoss({ logits, classes }, temperature);
    const grid = Array.from({ length: 400 }, (_, i) => 0.05 * 1.02 ** i);
    expect(loss(fitted)).toBeLessThanOrEqual(Math.min(...grid.map(loss)) + 1e-9);
    expect(fitted).toBeGreaterThan(1);
  });

  test("undoes a factor in the logits", () => {
    const hot = logits.map((row) => row.map((logit) => logit * 10));
    expect(fitTemperature({ logits: hot, classes }) / fitTemperature({ logits, classes })).toBeCloseTo(10, 3);
  });
});

describe("class means", () => {
  const sample = (classIndex: number, ...views: number[][]) => ({
    file: "x.jpg",
    sha256: "",
    classIndex,
    views: views.map((view) => Float32Array.from(view)),
    logits: [],
  });

  test("have length 1 and the direction of the class's images", () => {
    const means = classMeans([sample(0, [3, 0]), sample(0, [0, 5]), sample(1, [0, 2])], 2);
    expect(means[0]).toBeCloseTo(Math.SQRT1_2, 6);
    expect(means[1]).toBeCloseTo(Math.SQRT1_2, 6);
    expect(Array.from(means.subarray(2))).toEqual([0, 1]);
  });

  test("work with one photo per class", () => {
    const { weights, bias } = prototypes([sample(0, [2, 0]), sample(1, [0, 9])], 2);
    expect(Array.from(weights)).toEqual([1, 0, 0, 1]);
    expect(Array.from(bias)).toEqual([0, 0]);
  });

  test("give a threshold that rejects the requested share of your own images, and more of a class left out", () => {
    const random = new Random(11);
    const around = (classIndex: number) =>
      sample(
        classIndex,
        Array.from({ length: 20 }, (_, i) =>
          Math.abs((i % 3 === classIndex ? 3 : 0) + 0.5 * random.normal()),
        ),
      );
    const samples = Array.from({ length: 90 }, (_, i) => around(i % 3));
    const foldOf = samples.map((_, i) => Math.floor(i / 3) % 5);
    const rule = learnUnknown(samples, 3, foldOf, 0.1);
    expect(rule.own_called_unknown).toBeCloseTo(0.1, 5);
    expect(rule.foreign_called_unknown).toBe(1);
    expect(rule.auroc).toBe(1);
    expect(learnUnknown(samples, 3, foldOf, 0).own_called_unknown).toBe(0);
  });

  test("measure nothing about foreign images when only two classes are known", () => {
    const samples = Array.from({ length: 8 }, (_, i) => sample(i % 2, [1 - (i % 2), i % 2]));
    const foldOf = samples.map((_, i) => Math.floor(i / 2) % 2);
    expect(learnUnknown(samples, 2, foldOf, 0)).toMatchObject({ foreign_called_unknown: null, auroc: null });
  });
});

describe("training", () => {
  const random = new Random(3);
  const classCount = 5;
  /** Every class lights up two of the backbone's logits. The features also hold strong noise that no class depends on. */
  const image = (classIndex: number) => {
    const signal = Float32Array.from({ length: 12 }, (_, i) =>
      Math.max(0, (i >> 1 === classIndex ? 4 : 0) + random.normal()),
    );
    const noise = Array.from({ length: 20 }, () => 10 * Math.abs(random.normal()));
    const features = Float32Array.of(...signal, ...noise);
    return { file: "x.jpg", sha256: "", classIndex, views: [features], logits: [signal.map((z) => z - 30)] };
  };
  const samples = Array.from({ length: 100 }, (_, i) => image(i % classCount));
  const options = { classCount, folds: 5, seed: 1, unknownRate: 0.05, method: "logistic" } as const;
  const trained = trainHead(samples, options, silentProgress);

  test("detects images of another class by the backbone's logits, where features do not", async () => {
    const { bytes } = await headFile(trained, plainLabels(["a", "b", "c", "d", "e"]), {
      name: "synthetic",
      backbone: { name: defaultModelName, version: "0".repeat(16) },
      method: "logistic",
      feature_size: 32,
      training: {},
    });
    const head = await parseHead(bytes);
    const shareUnknown = (images: readonly (typeof samples)[number][]) =>
      images.filter(({ views: [features], logits: [logits] }) => {
        const cosine = nearestCosine(head, { features: features!, logits: logits! })!;
        return cosine < head.file.unknown!.threshold;
      }).length / images.length;
    expect(shareUnknown(Array.from({ length: 200 }, () => image(classCount)))).toBeGreaterThan(0.9);
    expect(shareUnknown(Array.from({ length: 200 }, (_, i) => image(i % classCount)))).toBeLessThan(0.15);

    expect(trained.unknown!.auroc).toBeGreaterThan(0.95);
    const foldOf = stratifiedFolds(
      samples.map(({ classIndex }) => classIndex),
      5,
      1,
    );
    expect(learnUnknown(samples, classCount, foldOf, 0.05).auroc).toBeLessThan(0.7);
  });

  test("chooses a threshold above which at least 80% of the held-out images are right", () => {
    const { confident, metrics } = trained;
    expect(confident!.target).toBe(0.8);
    expect(confident!.precision).toBeGreaterThanOrEqual(0.8);
    expect(confident!.coverage * metrics!.count).toBeGreaterThanOrEqual(20);
  });

  test("promises nothing about confidence when too few images can show it", () => {
    expect(trainHead(samples.slice(0, 15), options, silentProgress).confident).toBeNull();
  });
});

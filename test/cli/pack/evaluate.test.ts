import { describe, expect, test } from "vitest";
import { type Classifier, compareLogits, evaluate } from "../../../cli/pack/evaluate.ts";
import type { ImageSet } from "../../../cli/pack/images.ts";

/** Gives the image's own tensor, or the one of a table, as logits. */
const classifier = (answers: number[][]): Classifier => ({
  logits: async (tensor) => Float32Array.from(answers[tensor[0]!]!),
  release: async () => {},
});

const names = ["cat-1.jpg", "dog-2.jpg", "cat-3.jpg", "dog-4.jpg"];
const images: ImageSet = {
  kind: "photographs",
  count: names.length,
  name: (index) => names[index]!,
  tensor: async (index) => Float32Array.of(index),
};
const source = classifier([
  [2, 0],
  [0, 2],
  [0, 1],
  [0, 1],
]);
const pack = classifier([
  [2, 0],
  [1, 0],
  [1, 0],
  [0, 1],
]);
const classes = [0, 1, 0, 1];

describe("agreement", () => {
  test("counts equal first classes, flips each way, and accuracy where classes are known", async () => {
    const { agreement } = await evaluate(source, pack, images, { classes });
    expect(agreement).toMatchObject({ images: 4, on: "photographs", top1: 0.5, top5: 1 });
    expect(agreement.accuracy).toEqual({ source_top1: 0.75, pack_top1: 0.75, lost: 1, won: 1 });
    expect(agreement.worst_image).toBe("dog-2.jpg");
    expect(agreement.worst_cosine).toBe(0);
    expect(agreement.mean_cosine).toBeCloseTo(0.5);
  });

  test("of a classifier with itself is perfect", async () => {
    const { agreement } = await evaluate(source, source, images);
    expect(agreement).toMatchObject({ top1: 1, mean_kl: 0, max_kl: 0 });
    expect(agreement.worst_cosine).toBeCloseTo(1, 12);
    expect(agreement.accuracy).toBeUndefined();
  });

  test("reports progress image by image", async () => {
    const seen: number[] = [];
    await evaluate(source, pack, images, { onImage: (done, total) => seen.push(done / total) });
    expect(seen).toEqual([0.25, 0.5, 0.75, 1]);
  });
});

describe("two answers", () => {
  test("diverge by the sum of p log(p / q)", () => {
    const { kl } = compareLogits(Float32Array.of(Math.log(3), 0), Float32Array.of(0, 0));
    expect(kl).toBeCloseTo(0.75 * Math.log(1.5) + 0.25 * Math.log(0.5), 6);
  });

  test("diverge finitely even where a probability underflows", () => {
    const { kl } = compareLogits(Float32Array.of(0, 0), Float32Array.of(0, -5000));
    expect(kl).toBeGreaterThan(300);
    expect(kl).toBeLessThan(1000);
  });

  test("agree in the first five, or not", () => {
    const sourceLogits = Float32Array.of(9, 0, 0, 0, 0, 0, 0);
    expect(compareLogits(sourceLogits, Float32Array.of(3, 4, 4, 4, 4, 0, 0)).amongFive).toBe(true);
    expect(compareLogits(sourceLogits, Float32Array.of(3, 4, 4, 4, 4, 4, 0)).amongFive).toBe(false);
  });
});

import { describe, expect, test } from "vitest";
import {
  imageToTensor,
  preprocess,
  resizeAndCrop,
  resizedSize,
  toTensor,
} from "../../src/image/preprocess.ts";
import type { Preprocessing } from "../../src/model/manifest.ts";
import { gradient } from "../support/image-reference.ts";

const options = { maxPixels: 1_000_000, maxDecodeBytes: 64 * 2 ** 20 };
const preprocessing: Preprocessing = {
  resize: "shortest-edge",
  size: 72,
  crop: 64,
  interpolation: "bilinear",
  color: "RGB",
  mean: [0.5, 0.25, 0],
  std: [0.5, 0.25, 1],
};

describe("preprocessing", () => {
  test("turns a JPEG into a [3, crop, crop] tensor and returns the size of the image", async () => {
    const jpeg = new Uint8Array(await gradient(150, 90).jpeg().toBuffer());
    const { tensor, width, height } = await imageToTensor(jpeg, preprocessing, options);
    expect([width, height, tensor.length]).toEqual([150, 90, 3 * 64 * 64]);
    expect(new Set(tensor).size).toBeGreaterThan(64);
  });

  test("fills and returns an output array and leaves no stale value in it", () => {
    const image = { width: 2, height: 3, data: new Uint8Array(18).map((_, i) => i * 14) };
    const out = new Float32Array(3 * 64 * 64).fill(Number.NaN);
    expect(preprocess(image, preprocessing, out)).toBe(out);
    expect(out).toEqual(preprocess(image, preprocessing));
    expect(out).toEqual(toTensor(resizeAndCrop(image, preprocessing), preprocessing));
  });

  test("maps black and white to (0 - mean) / std and (1 - mean) / std", () => {
    const image = { width: 2, height: 1, data: Uint8Array.of(0, 0, 0, 255, 255, 255) };
    expect([...toTensor(image, preprocessing)]).toEqual([-1, 1, -1, 3, 0, 1]);
  });

  test("refuses an output array of another length", () => {
    const image = { width: 1, height: 1, data: new Uint8Array(3) };
    expect(() => toTensor(image, preprocessing, new Float32Array(4))).toThrow(RangeError);
  });

  test.each([
    [512, 513, 72, 72],
    [513, 512, 72, 72],
    [512, 1028, 72, 145],
    [16, 17, 72, 76],
    [16, 19, 72, 86],
  ])("resizes %i x %i to %i x %i: halves are rounded to even, as in Python", (width, height, w, h) => {
    expect(resizedSize({ width, height }, preprocessing)).toEqual({ width: w, height: h });
  });

  test("keeps the colour of a single-colour image of any shape", () => {
    for (const [width, height] of [
      [1, 1],
      [1, 4000],
      [4000, 1],
      [3, 2],
    ] as const) {
      for (const resize of ["shortest-edge", "stretch"] as const) {
        const data = new Uint8Array(width * height * 3).map((_, i) => [255, 7, 128][i % 3]!);
        const { data: actual } = resizeAndCrop({ width, height, data }, { ...preprocessing, resize });
        expect(actual.every((value, i) => value === [255, 7, 128][i % 3])).toBe(true);
      }
    }
  });
});

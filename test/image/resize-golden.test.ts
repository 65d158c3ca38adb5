import { readFileSync } from "node:fs";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { preprocess, resizeAndCrop, resizedSize, toTensor } from "../../src/image/preprocess.ts";
import type { RgbImage } from "../../src/image/rgb-image.ts";
import type { Preprocessing } from "../../src/model/manifest.ts";
import { largestDifference } from "../support/image-reference.ts";

interface GoldenCase {
  input: string;
  resize: Preprocessing["resize"];
  size: number;
  crop: number;
  resized: [number, number];
  expected: string;
}

const folder = new URL("../fixtures/golden/", import.meta.url);
const { cases } = JSON.parse(readFileSync(new URL("golden.json", folder), "utf8")) as { cases: GoldenCase[] };
const imagenet = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const;

async function readPng(name: string): Promise<RgbImage> {
  const { data, info } = await sharp(readFileSync(new URL(name, folder)))
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  expect(info.channels).toBe(3);
  return { width: info.width, height: info.height, data: new Uint8Array(data) };
}

function preprocessingOf({ resize, size, crop }: GoldenCase): Preprocessing {
  return {
    resize,
    size,
    crop,
    interpolation: "bilinear",
    color: "RGB",
    mean: [...imagenet.mean],
    std: [...imagenet.std],
  };
}

describe("an image is resized and cropped as in Pillow", () => {
  test("the fixtures include both ways of resizing, and enlarging", () => {
    expect(cases).toHaveLength(15);
    expect(new Set(cases.map((c) => c.resize))).toEqual(new Set(["shortest-edge", "stretch"]));
    expect(cases.some((c) => c.input === "100x90.png" && c.size === 256)).toBe(true);
  });

  test.each(cases)("$expected: every channel of every pixel is equal", async (golden) => {
    const image = await readPng(golden.input);
    const expected = await readPng(golden.expected);
    const preprocessing = preprocessingOf(golden);
    const [width, height] = golden.resized;
    expect(resizedSize(image, preprocessing)).toEqual({ width, height });
    const actual = resizeAndCrop(image, preprocessing);
    expect([actual.width, actual.height]).toEqual([golden.crop, golden.crop]);
    expect(largestDifference(actual.data, expected.data)).toBe(0);
  });

  test.each(cases)("$expected: the tensor holds its normalised pixels, plane by plane", async (golden) => {
    const image = await readPng(golden.input);
    const expected = await readPng(golden.expected);
    const preprocessing = preprocessingOf(golden);
    const plane = golden.crop * golden.crop;
    const wanted = Float32Array.from({ length: 3 * plane }, (_, i) => {
      const channel = Math.floor(i / plane);
      return (
        (expected.data[(i % plane) * 3 + channel]! / 255 - imagenet.mean[channel]!) / imagenet.std[channel]!
      );
    });
    expect(largestDifference(preprocess(image, preprocessing), wanted)).toBe(0);
    expect(largestDifference(toTensor(expected, preprocessing), wanted)).toBe(0);
  });
});

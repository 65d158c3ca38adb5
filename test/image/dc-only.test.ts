import { describe, expect, test } from "vitest";
import type { RgbImage } from "../../src/image/rgb-image.ts";
import { type JpegSpec, writeJpeg } from "../../tools/fuzz/jpeg-writer.ts";
import { dcOnly, jpegJs, scaledTo } from "../support/image-decoders.ts";
import { reasonOf } from "../support/image-errors.ts";
import { blockMeans, gradient, largestDifference, sharpRgb } from "../support/image-reference.ts";

const ycc = (...factors: [number, number][]) => factors.map(([h, v], i) => ({ id: i + 1, h, v }));
const full = ycc([1, 1], [1, 1], [1, 1]);
const four = ycc([1, 1], [1, 1], [1, 1], [1, 1]);
const bytesOf = async (image: { toBuffer(): Promise<Buffer> }) => new Uint8Array(await image.toBuffer());

describe("each pixel is the mean of its 8x8 block", () => {
  // Small quantisers: no sample of the whole image is clipped, so that means are exact but for rounding.
  const plain: [string, Partial<JpegSpec>][] = [
    ["grey", { components: ycc([1, 1]) }],
    ["grey with sampling factors 2x2", { components: ycc([2, 2]) }],
    ["RGB, Adobe transform 0", { components: full, adobeTransform: 0 }],
    ["RGB in one scan per component", { components: full, adobeTransform: 0, scans: [[2], [0], [1]] }],
    ["RGB with restart intervals", { components: full, adobeTransform: 0, restartInterval: 5 }],
    [
      "RGB, a quantisation slot filled anew",
      { components: full, adobeTransform: 0, scans: [[0], [1], [2]], redefineTables: true },
    ],
  ];
  test.each(plain)("%s", (_, spec) => {
    const jpeg = writeJpeg({ width: 96, height: 72, components: full, quantisation: 3, ...spec });
    expect(largestDifference(dcOnly(jpeg).data, blockMeans(jpegJs(jpeg)))).toBeLessThanOrEqual(1);
  });

  // Flat blocks: what is not linear, clipping and ink times black, does not part the mean from the pixels.
  const flat: [string, Partial<JpegSpec>][] = [
    ["YCbCr", { components: full }],
    ["CMYK with Adobe transform 0", { components: four, adobeTransform: 0 }],
    ["CMYK without an Adobe marker", { components: four }],
    ["YCCK, Adobe transform 2", { components: four, adobeTransform: 2 }],
  ];
  test.each(flat)("%s", (_, spec) => {
    const jpeg = writeJpeg({ width: 96, height: 72, components: full, roughness: 9, ...spec });
    expect(largestDifference(dcOnly(jpeg).data, blockMeans(jpegJs(jpeg)))).toBeLessThanOrEqual(2);
  });

  test.each([
    ["4:4:4", 2],
    // At the border there is no chroma beyond to blend with.
    ["4:2:0", 6],
  ] as const)("progressive and baseline photographs, %s", async (chromaSubsampling, levels) => {
    for (const progressive of [false, true]) {
      const soft = gradient(160, 120).resize(640, 480, { kernel: "cubic" });
      const jpeg = await bytesOf(soft.jpeg({ quality: 92, chromaSubsampling, progressive }));
      const expected = blockMeans({ width: 640, height: 480, data: await sharpRgb(jpeg) });
      expect(largestDifference(dcOnly(jpeg).data, expected)).toBeLessThanOrEqual(levels);
    }
  });
});

describe("subsampled chroma is blended between its blocks", () => {
  const subsampled: [string, JpegSpec["components"]][] = [
    ["4:2:0", ycc([2, 2], [1, 1], [1, 1])],
    ["4:2:2", ycc([2, 1], [1, 1], [1, 1])],
    ["4:4:0", ycc([1, 2], [1, 1], [1, 1])],
    ["the finest component is not the first", ycc([1, 1], [2, 2], [1, 1])],
  ];
  test.each(subsampled)("%s, as the scaled decoder blends it", (_, components) => {
    const jpeg = writeJpeg({ width: 200, height: 136, components });
    const own = dcOnly(jpeg);
    expect([own.width, own.height]).toEqual([25, 17]);
    expect(largestDifference(own.data, scaledTo(jpeg, 1).data)).toBeLessThanOrEqual(5);
  });

  test.each([
    ["4:1:1", [4, 1], [7 / 8, 5 / 8, 3 / 8, 1 / 8]],
    ["a third as wide", [3, 1], [1, 2 / 3, 1 / 3]],
    ["a quarter as high", [1, 4], [7 / 8, 5 / 8, 3 / 8, 1 / 8]],
  ] as const)("%s: each pixel by its distance from the two centres", (_, [h, v], weights) => {
    // Grey would hide chroma, YCbCr bend it: the subsampled component is the blue of an RGB file.
    const components = ycc([h, v], [h, v], [1, 1]);
    const jpeg = writeJpeg({ width: 192, height: 192, components, adobeTransform: 0, roughness: 9 });
    const { width, data } = dcOnly(jpeg);
    const whole = jpegJs(jpeg);
    const blue = (x: number, y: number) => whole.data[(y * whole.width + x) * 3 + 2]!;
    // From the centre of one of its blocks to the next, in the middle of the image.
    const start = Math.floor(weights.length / 2);
    for (const [i, weight] of weights.entries()) {
      const along = start + 2 * weights.length + i;
      const [x, y] = h > 1 ? [along, 5] : [5, along];
      const left = 16 * weights.length;
      const [x0, y0, x1, y1] =
        h > 1 ? [left, 40, left + 8 * weights.length, 40] : [40, left, 40, left + 8 * weights.length];
      const expected = blue(x0, y0) * weight + blue(x1, y1) * (1 - weight);
      expect(Math.abs(data[(y * width + x) * 3 + 2]! - expected)).toBeLessThanOrEqual(1);
    }
  });
});

describe("how a file is coded changes no pixel", () => {
  const same = (a: RgbImage, b: RgbImage) => expect(a).toEqual(b);

  test("progressive scans, refined in several passes, hold the DC values of the baseline file", async () => {
    for (const [width, height] of [
      [301, 203],
      [7, 5],
      [1, 1],
    ] as const) {
      for (const space of ["srgb", "b-w", "cmyk"]) {
        const image = gradient(width, height).toColourspace(space);
        const baseline = dcOnly(await bytesOf(image.clone().jpeg()));
        same(dcOnly(await bytesOf(image.clone().jpeg({ progressive: true }))), baseline);
        expect([baseline.width, baseline.height]).toEqual([Math.ceil(width / 8), Math.ceil(height / 8)]);
      }
    }
  });

  test("one scan per component, restart intervals in either", () => {
    for (const components of [ycc([2, 2], [1, 1], [1, 1]), ycc([4, 1], [1, 1], [1, 1])]) {
      const spec = { width: 77, height: 93, components };
      const plain = dcOnly(writeJpeg(spec));
      const scans = [[0], [1], [2]];
      same(dcOnly(writeJpeg({ ...spec, scans })), plain);
      for (const restartInterval of [1, 2, 3, 7]) {
        same(dcOnly(writeJpeg({ ...spec, restartInterval })), plain);
        same(dcOnly(writeJpeg({ ...spec, restartInterval, scans })), plain);
      }
    }
  });
});

test("the scaled decoder at 1/8 gives the same picture within its rounding", async () => {
  for (const progressive of [false, true]) {
    const jpeg = await bytesOf(gradient(803, 605).jpeg({ chromaSubsampling: "4:4:4", progressive }));
    const scaled = scaledTo(jpeg, 1);
    const own = dcOnly(jpeg);
    expect([own.width, own.height]).toEqual([scaled.width, scaled.height]);
    expect(largestDifference(own.data, scaled.data)).toBeLessThanOrEqual(3);
  }
});

test("data that ends early is refused, though an end-of-image marker follows", async () => {
  const grey = await bytesOf(gradient(160, 160).toColourspace("b-w").jpeg());
  const cut = Uint8Array.from([...grey.subarray(0, grey.length - 60), 0xff, 0xd9]);
  expect(reasonOf(() => dcOnly(cut))).toMatchObject({ detail: "its image data ends too early" });
});

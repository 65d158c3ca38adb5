import { describe, expect, test } from "vitest";
import { type JpegSpec, writeJpeg } from "../../bench/pictures/jpeg-writer.ts";
import { zigzag } from "../../src/image/jpeg/entropy-reader.ts";
import { inverseDct } from "../../src/image/jpeg/inverse-dct.ts";
import type { Eighths, RgbImage } from "../../src/image/rgb-image.ts";
import { decodeAt } from "../support/image-decoders.ts";
import { reasonOf } from "../support/image-errors.ts";
import { blockMeans, gradient, largestDifference, sharpRgb } from "../support/image-reference.ts";

const ycc = (...factors: [number, number][]) => factors.map(([h, v], i) => ({ id: i + 1, h, v }));
const full = ycc([1, 1], [1, 1], [1, 1]);
const four = ycc([1, 1], [1, 1], [1, 1], [1, 1]);
const dcOnly = (jpeg: Uint8Array) => decodeAt(jpeg, 1);
const whole8 = (jpeg: Uint8Array) => decodeAt(jpeg, 8);
const bytesOf = async (image: { toBuffer(): Promise<Buffer> }) => new Uint8Array(await image.toBuffer());

describe("at 1/8, each pixel is the mean of its 8x8 block", () => {
  // With small quantisers, no sample of the whole image is clipped, so means are exact except for rounding.
  const plain: [string, Partial<JpegSpec>][] = [
    ["grey", { components: ycc([1, 1]) }],
    ["grey with sampling factors 2x2", { components: ycc([2, 2]) }],
    ["RGB, Adobe transform 0", { components: full, adobeTransform: 0 }],
    ["RGB in one scan per component", { components: full, adobeTransform: 0, scans: [[2], [0], [1]] }],
    ["RGB with restart intervals", { components: full, adobeTransform: 0, restartInterval: 5 }],
    [
      "RGB, a redefined quantisation slot",
      { components: full, adobeTransform: 0, scans: [[0], [1], [2]], redefineTables: true },
    ],
  ];
  test.each(plain)("%s", (_, spec) => {
    const jpeg = writeJpeg({ width: 96, height: 72, components: full, quantisation: 3, ...spec });
    expect(largestDifference(dcOnly(jpeg).data, blockMeans(whole8(jpeg)))).toBeLessThanOrEqual(1);
  });

  // In flat blocks, nonlinear steps (clipping, ink times black) do not separate the mean from the pixels.
  const flat: [string, Partial<JpegSpec>][] = [
    ["YCbCr", { components: full }],
    ["CMYK with Adobe transform 0", { components: four, adobeTransform: 0 }],
    ["CMYK without an Adobe marker", { components: four }],
    ["YCCK, Adobe transform 2", { components: four, adobeTransform: 2 }],
  ];
  test.each(flat)("%s", (_, spec) => {
    const jpeg = writeJpeg({ width: 96, height: 72, components: full, roughness: 9, ...spec });
    expect(largestDifference(dcOnly(jpeg).data, blockMeans(whole8(jpeg)))).toBeLessThanOrEqual(2);
  });

  test.each([
    ["4:4:4", 2],
    // At the border, chroma has no neighbour to blend with.
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

describe("the inverse DCT of a block to fewer samples", () => {
  const sizes: Eighths[] = [1, 2, 4, 8];
  test.each(sizes)("%i samples per side equal the cosine sums, within rounding", (size) => {
    let state = 7;
    const random = (range: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * (2 * range + 1)) - range;
    };
    const quantiser = Int32Array.from({ length: 64 }, (_, i) => 1 + (i % 5));
    for (let run = 0; run < 200; run++) {
      const block = Int16Array.from({ length: 64 }, (_, i) => random(Math.floor(90 / (1 + i))));
      const out = new Uint8ClampedArray(size * size);
      inverseDct(size, block, 0, quantiser, 63, out, 0, size);
      for (const [i, sample] of out.entries()) {
        const exact = cosineSum(block, quantiser, size, i % size, Math.floor(i / size));
        expect(Math.abs(sample - Math.min(255, Math.max(0, exact)))).toBeLessThanOrEqual(0.6);
      }
    }
  });

  test("skips columns only if the last coefficient implies that they are empty", () => {
    const quantiser = new Int32Array(64).fill(1);
    for (let extent = 1; extent < 64; extent++) {
      const block = new Int16Array(64);
      for (let k = 0; k <= extent; k++) block[zigzag[k]!] = 20 - k;
      const [short, full] = [new Uint8ClampedArray(64), new Uint8ClampedArray(64)];
      inverseDct(8, block, 0, quantiser, extent, short, 0, 8);
      inverseDct(8, block, 0, quantiser, 63, full, 0, 8);
      expect(short).toEqual(full);
    }
  });
});

/** The sample at (x, y) of the inverse DCT of the size x size lowest frequencies, scaled so that the mean stays. */
function cosineSum(block: Int16Array, quantiser: Int32Array, size: number, x: number, y: number): number {
  let sum = 0;
  for (let v = 0; v < size; v++) {
    for (let u = 0; u < size; u++) {
      const factor = (u === 0 ? 1 : Math.SQRT2) * (v === 0 ? 1 : Math.SQRT2);
      const cosines =
        Math.cos(((2 * x + 1) * u * Math.PI) / (2 * size)) *
        Math.cos(((2 * y + 1) * v * Math.PI) / (2 * size));
      sum += factor * cosines * block[v * 8 + u]! * quantiser[v * 8 + u]!;
    }
  }
  return sum / 8 + 128;
}

describe("at 4/8 and 2/8, pixels are means of the full-size ones", () => {
  const subsamplings: [string, JpegSpec["components"]][] = [
    ["4:4:4", full],
    ["4:2:2", ycc([2, 1], [1, 1], [1, 1])],
    ["4:2:0", ycc([2, 2], [1, 1], [1, 1])],
    ["4:4:0", ycc([1, 2], [1, 1], [1, 1])],
    ["4:1:1", ycc([4, 1], [1, 1], [1, 1])],
    ["the finest component is not the first", ycc([1, 1], [2, 2], [1, 1])],
  ];
  test.each(subsamplings)("%s", (_, components) => {
    const jpeg = writeJpeg({ width: 203, height: 139, components, roughness: 6 });
    const original = whole8(jpeg);
    for (const eighths of [4, 2] as const) {
      const image = decodeAt(jpeg, eighths);
      expect([image.width, image.height]).toEqual([
        Math.ceil((203 * eighths) / 8),
        Math.ceil((139 * eighths) / 8),
      ]);
      let sum = 0;
      let count = 0;
      const step = 8 / eighths;
      for (let y = 0; y < 17 * eighths; y++) {
        for (let x = 0; x < 25 * eighths * 3; x++) {
          let mean = 0;
          for (let i = 0; i < step * step; i++) {
            const row = y * step + Math.floor(i / step);
            const column = Math.floor(x / 3) * step + (i % step);
            mean += original.data[(row * 203 + column) * 3 + (x % 3)]! / step ** 2;
          }
          sum += Math.abs(image.data[y * image.width * 3 + x]! - mean);
          count++;
        }
      }
      expect(sum / count).toBeLessThan(1.5);
    }
  });
});

describe("at 1/8, subsampled chroma is blended between its blocks", () => {
  test.each([
    ["4:1:1", [4, 1], [7 / 8, 5 / 8, 3 / 8, 1 / 8]],
    ["a third as wide", [3, 1], [1, 2 / 3, 1 / 3]],
    ["a quarter as high", [1, 4], [7 / 8, 5 / 8, 3 / 8, 1 / 8]],
  ] as const)("%s: each pixel by its distance from the two centres", (_, [h, v], weights) => {
    // Grey would hide chroma and YCbCr would convert it, so the subsampled component is the blue of an RGB file.
    const components = ycc([h, v], [h, v], [1, 1]);
    const jpeg = writeJpeg({ width: 192, height: 192, components, adobeTransform: 0, roughness: 9 });
    const { width, data } = dcOnly(jpeg);
    const whole = whole8(jpeg);
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

describe("the coding of a file changes no pixel at any reduced scale", () => {
  const scales = [4, 2, 1] as const;
  const same = (a: RgbImage, b: RgbImage) => expect(a).toEqual(b);

  test("progressive scans, refined in several passes", async () => {
    for (const [width, height] of [
      [301, 203],
      [7, 5],
      [1, 1],
    ] as const) {
      for (const space of ["srgb", "b-w", "cmyk"]) {
        const image = gradient(width, height).toColourspace(space);
        const baseline = await bytesOf(image.clone().jpeg());
        const progressive = await bytesOf(image.clone().jpeg({ progressive: true }));
        for (const eighths of scales) same(decodeAt(progressive, eighths), decodeAt(baseline, eighths));
      }
    }
  });

  test("one scan per component, with and without restart intervals", () => {
    for (const components of [ycc([2, 2], [1, 1], [1, 1]), ycc([4, 1], [1, 1], [1, 1])]) {
      const spec = { width: 77, height: 93, components };
      const scans = [[0], [1], [2]];
      for (const eighths of scales) {
        const plain = decodeAt(writeJpeg(spec), eighths);
        same(decodeAt(writeJpeg({ ...spec, scans }), eighths), plain);
        for (const restartInterval of [1, 2, 3, 7]) {
          same(decodeAt(writeJpeg({ ...spec, restartInterval }), eighths), plain);
          same(decodeAt(writeJpeg({ ...spec, restartInterval, scans }), eighths), plain);
        }
      }
    }
  });
});

test("data that ends early is refused even if an end-of-image marker follows", async () => {
  const grey = await bytesOf(gradient(160, 160).toColourspace("b-w").jpeg());
  const cut = Uint8Array.from([...grey.subarray(0, grey.length - 60), 0xff, 0xd9]);
  for (const eighths of [8, 4, 2, 1] as const) {
    expect(reasonOf(() => decodeAt(cut, eighths))).toMatchObject({ detail: "its image data ends too early" });
  }
});

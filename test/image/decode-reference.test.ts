import { describe, expect, test } from "vitest";
import type { RgbImage } from "../../src/image/rgb-image.ts";
import { type JpegSpec, writeJpeg } from "../../tools/fuzz/jpeg-writer.ts";
import { jpegJs, scaledTo } from "../support/image-decoders.ts";
import { gradient, largestDifference, naiveRgb, sharpCmyk, sharpRgb } from "../support/image-reference.ts";

/** Levels between two inverse DCTs, and jpeg-js cutting off where libjpeg rounds; three channels mix in YCbCr. */
const levels = 3;
/** jpeg-js repeats subsampled chroma, libjpeg interpolates it when the factor is 2: soft chroma keeps them close. */
const subsampledLevels = 6;

const ycc = (...factors: [number, number][]) => factors.map(([h, v], i) => ({ id: i + 1, h, v }));
const full = ycc([1, 1], [1, 1], [1, 1]);
const four = ycc([1, 1], [1, 1], [1, 1], [1, 1]);
const rgbIds = [82, 71, 66].map((id) => ({ id, h: 1, v: 1 }));
const size = { width: 37, height: 53 };

const decoders: [string, (bytes: Uint8Array) => RgbImage][] = [
  ["jpeg-js", jpegJs],
  ["the scaled decoder at full size", (bytes) => scaledTo(bytes, 8)],
];

describe.each(decoders)("%s: pixels are those that libjpeg-turbo decodes", (_, decode) => {
  const photos: [string, (image: ReturnType<typeof gradient>) => ReturnType<typeof gradient>][] = [
    ["baseline 4:4:4", (image) => image.jpeg({ chromaSubsampling: "4:4:4" })],
    ["baseline 4:2:0", (image) => image.jpeg({ chromaSubsampling: "4:2:0" })],
    ["progressive 4:4:4", (image) => image.jpeg({ progressive: true, chromaSubsampling: "4:4:4" })],
    ["progressive 4:2:0", (image) => image.jpeg({ progressive: true, chromaSubsampling: "4:2:0" })],
    ["mozjpeg 4:2:0", (image) => image.jpeg({ mozjpeg: true, chromaSubsampling: "4:2:0" })],
    ["grey", (image) => image.toColourspace("b-w").jpeg()],
    ["progressive grey", (image) => image.toColourspace("b-w").jpeg({ progressive: true })],
  ];
  for (const [width, height] of [
    [64, 48],
    [61, 47],
    [1, 1],
    [9, 130],
  ] as const) {
    test.each(photos)(`${width}x${height} %s`, async (_, write) => {
      const jpeg = new Uint8Array(await write(gradient(width, height)).toBuffer());
      const image = decode(jpeg);
      expect([image.width, image.height]).toEqual([width, height]);
      expect(largestDifference(image.data, await sharpRgb(jpeg))).toBeLessThanOrEqual(subsampledLevels);
    });
  }

  const structures: [string, Partial<JpegSpec>][] = [
    ["4:4:4", { components: full }],
    ["4:1:1", { components: ycc([4, 1], [1, 1], [1, 1]) }],
    ["chroma a third as wide", { components: ycc([3, 1], [1, 1], [1, 1]) }],
    ["chroma a quarter as high", { components: ycc([1, 4], [1, 1], [1, 1]) }],
    ["the finest component is not the first", { components: ycc([1, 1], [4, 1], [1, 1]) }],
    ["grey with sampling factors 2x2", { components: ycc([2, 2]) }],
    ["grey, last restart interval short", { components: ycc([1, 1]), restartInterval: 4 }],
    ["grey 2x2, last restart interval short", { components: ycc([2, 2]), restartInterval: 4 }],
    ["restart intervals", { components: ycc([4, 1], [1, 1], [1, 1]), restartInterval: 3 }],
    ["a restart interval longer than the scan", { components: full, restartInterval: 999 }],
    ["one scan per component", { components: ycc([4, 1], [1, 1], [1, 1]), scans: [[0], [1], [2]] }],
    [
      "one scan per component, in odd order",
      { components: ycc([1, 4], [1, 1], [1, 1]), scans: [[2], [0], [1]] },
    ],
    ["chroma in a scan of its own", { components: ycc([1, 4], [1, 1], [1, 1]), scans: [[0], [1, 2]] }],
    ["one scan per component, restarts", { components: full, scans: [[0], [1], [2]], restartInterval: 4 }],
    ["a quantisation slot filled anew", { components: full, scans: [[0], [1], [2]], redefineTables: true }],
  ];
  test.each(structures)("%s", async (_, structure) => {
    const jpeg = writeJpeg({ ...size, components: full, ...structure });
    expect(largestDifference(decode(jpeg).data, await sharpRgb(jpeg))).toBeLessThanOrEqual(levels);
  });

  test.each([
    ["4:2:0", ycc([2, 2], [1, 1], [1, 1])],
    ["4:2:2", ycc([2, 1], [1, 1], [1, 1])],
    ["4:4:0", ycc([1, 2], [1, 1], [1, 1])],
  ] as const)("%s with soft chroma", async (_, components) => {
    const jpeg = writeJpeg({ ...size, components: [...components], roughness: 3 });
    const difference = largestDifference(decode(jpeg).data, await sharpRgb(jpeg));
    expect(difference).toBeLessThanOrEqual(subsampledLevels);
  });

  test("splitting the scans or adding restarts changes no pixel", () => {
    const components = ycc([2, 2], [1, 1], [1, 1]);
    const plain = decode(writeJpeg({ ...size, components }));
    const scans = [[0], [1], [2]];
    expect(decode(writeJpeg({ ...size, components, scans }))).toEqual(plain);
    expect(decode(writeJpeg({ ...size, components, restartInterval: 2 }))).toEqual(plain);
  });
});

describe.each(decoders)("%s: colours are told apart as libjpeg tells them", (_, decode) => {
  const threes: [string, Partial<JpegSpec>, "rgb" | "ycbcr"][] = [
    ["no marker", {}, "ycbcr"],
    ["JFIF", { jfif: true }, "ycbcr"],
    ["Adobe transform 1", { adobeTransform: 1 }, "ycbcr"],
    ["Adobe transform 0", { adobeTransform: 0 }, "rgb"],
    ["Adobe transform 0 beside JFIF", { adobeTransform: 0, jfif: true }, "ycbcr"],
    ["component ids R, G, B", { components: rgbIds }, "rgb"],
    ["component ids R, G, B with JFIF", { components: rgbIds, jfif: true }, "ycbcr"],
    ["component ids R, G, B with Adobe transform 1", { components: rgbIds, adobeTransform: 1 }, "ycbcr"],
  ];
  test.each(threes)("three components, %s", async (_, spec, expected) => {
    const jpeg = writeJpeg({ ...size, components: full, ...spec });
    const { data } = decode(jpeg);
    expect(largestDifference(data, await sharpRgb(jpeg))).toBeLessThanOrEqual(levels);
    const asRgb = decode(writeJpeg({ ...size, components: full, adobeTransform: 0 }));
    expect(largestDifference(data, asRgb.data) === 0).toBe(expected === "rgb");
  });

  test.each([
    ["CMYK with Adobe transform 0", 0],
    ["YCCK, Adobe transform 2", 2],
    ["CMYK without an Adobe marker", undefined],
  ])("four components, %s", async (_, adobeTransform) => {
    const adobe = adobeTransform === undefined ? {} : { adobeTransform };
    const jpeg = writeJpeg({ ...size, components: four, ...adobe });
    const expected = naiveRgb(await sharpCmyk(jpeg));
    expect(largestDifference(decode(jpeg).data, expected)).toBeLessThanOrEqual(levels);
  });

  test("a CMYK file that sharp writes, baseline and progressive", async () => {
    for (const progressive of [false, true]) {
      const cmyk = gradient(61, 47).toColourspace("cmyk").jpeg({ progressive, quality: 95 });
      const jpeg = new Uint8Array(await cmyk.toBuffer());
      const expected = naiveRgb(await sharpCmyk(jpeg));
      expect(largestDifference(decode(jpeg).data, expected)).toBeLessThanOrEqual(levels);
    }
  });
});

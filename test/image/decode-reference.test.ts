import sharp, { type JpegOptions, type Sharp } from "sharp";
import { describe, expect, test } from "vitest";
import { type JpegSpec, writeJpeg } from "../../bench/pictures/jpeg-writer.ts";
import { decodeAt } from "../support/image-decoders.ts";
import { gradient, largestDifference, naiveRgb, sharpCmyk, sharpRgb } from "../support/image-reference.ts";

const ycc = (...factors: [number, number][]) => factors.map(([h, v], i) => ({ id: i + 1, h, v }));
const full = ycc([1, 1], [1, 1], [1, 1]);
const four = ycc([1, 1], [1, 1], [1, 1], [1, 1]);
const rgbIds = [82, 71, 66].map((id) => ({ id, h: 1, v: 1 }));
const size = { width: 37, height: 53 };
const bytesOf = async (image: Sharp) => new Uint8Array(await image.toBuffer());

/** A picture that uses every coefficient and has samples clipped at both ends. */
function noise(width: number, height: number): Sharp {
  let state = 1;
  const data = Uint8Array.from({ length: width * height * 3 }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
  return sharp(data, { raw: { width, height, channels: 3 } });
}

const decode = (jpeg: Uint8Array) => decodeAt(jpeg, 8);

describe("at full size, pixels equal those of libjpeg-turbo, bit for bit", () => {
  // Sizes around whole MCUs, chroma of one and two samples (which libjpeg does not interpolate), and many MCUs.
  const sizes = [
    [64, 48],
    [61, 47],
    [1, 1],
    [2, 3],
    [3, 2],
    [4, 33],
    [5, 5],
    [17, 16],
    [9, 130],
    [333, 211],
  ] as const;
  const written: [string, JpegOptions][] = [
    ["baseline 4:4:4", { chromaSubsampling: "4:4:4" }],
    ["baseline 4:2:0", { chromaSubsampling: "4:2:0" }],
    ["quality 5, 4:2:0", { quality: 5, chromaSubsampling: "4:2:0" }],
    ["quality 100, 4:2:0", { quality: 100, chromaSubsampling: "4:2:0" }],
    ["quality 100, 4:4:4", { quality: 100, chromaSubsampling: "4:4:4" }],
    ["progressive 4:4:4", { progressive: true, chromaSubsampling: "4:4:4" }],
    ["progressive 4:2:0", { progressive: true, chromaSubsampling: "4:2:0" }],
    ["progressive, quality 10", { progressive: true, quality: 10 }],
    ["mozjpeg", { mozjpeg: true, chromaSubsampling: "4:2:0" }],
    [
      "trellis, overshoot and one table",
      { trellisQuantisation: true, overshootDeringing: true, quality: 60 },
    ],
  ];
  test.each(written)("%s, every size, in colour and grey", async (_, options) => {
    for (const [width, height] of sizes) {
      for (const picture of [gradient(width, height), noise(width, height)]) {
        for (const space of ["srgb", "b-w"]) {
          const jpeg = await bytesOf(picture.clone().toColourspace(space).jpeg(options));
          const image = decode(jpeg);
          expect([image.width, image.height]).toEqual([width, height]);
          expect(largestDifference(image.data, await sharpRgb(jpeg)), `${width}x${height} ${space}`).toBe(0);
        }
      }
    }
  });

  const subsamplings: [string, [number, number][]][] = [
    [
      "4:4:4",
      [
        [1, 1],
        [1, 1],
        [1, 1],
      ],
    ],
    [
      "4:2:2",
      [
        [2, 1],
        [1, 1],
        [1, 1],
      ],
    ],
    [
      "4:2:0",
      [
        [2, 2],
        [1, 1],
        [1, 1],
      ],
    ],
    [
      "4:4:0",
      [
        [1, 2],
        [1, 1],
        [1, 1],
      ],
    ],
    [
      "4:1:1",
      [
        [4, 1],
        [1, 1],
        [1, 1],
      ],
    ],
    [
      "4:1:0",
      [
        [4, 2],
        [1, 1],
        [1, 1],
      ],
    ],
    [
      "chroma a third as wide",
      [
        [3, 1],
        [1, 1],
        [1, 1],
      ],
    ],
    [
      "chroma a quarter as high",
      [
        [1, 4],
        [1, 1],
        [1, 1],
      ],
    ],
    [
      "chroma half as wide and a quarter as high",
      [
        [2, 4],
        [1, 1],
        [1, 1],
      ],
    ],
    [
      "4:2:2 by larger factors",
      [
        [4, 1],
        [2, 1],
        [2, 1],
      ],
    ],
    [
      "Cb and Cr of different size",
      [
        [2, 2],
        [2, 1],
        [1, 2],
      ],
    ],
    [
      "the finest component is not the first",
      [
        [1, 1],
        [2, 2],
        [1, 1],
      ],
    ],
  ];
  test.each(subsamplings)("%s, every size", async (_, factors) => {
    for (const [width, height] of sizes) {
      for (const roughness of [3, 40]) {
        const jpeg = writeJpeg({ width, height, components: ycc(...factors), roughness });
        expect(largestDifference(decode(jpeg).data, await sharpRgb(jpeg)), `${width}x${height}`).toBe(0);
      }
    }
  });

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
    ["a redefined quantisation slot", { components: full, scans: [[0], [1], [2]], redefineTables: true }],
  ];
  test.each(structures)("%s", async (_, structure) => {
    const jpeg = writeJpeg({ ...size, components: full, ...structure });
    expect(largestDifference(decode(jpeg).data, await sharpRgb(jpeg))).toBe(0);
  });

  test("splitting the scans or adding restarts changes no pixel", () => {
    const components = ycc([2, 2], [1, 1], [1, 1]);
    const plain = decode(writeJpeg({ ...size, components }));
    const scans = [[0], [1], [2]];
    expect(decode(writeJpeg({ ...size, components, scans }))).toEqual(plain);
    expect(decode(writeJpeg({ ...size, components, restartInterval: 2 }))).toEqual(plain);
  });
});

describe("colour spaces are detected as in libjpeg", () => {
  const threes: [string, Partial<JpegSpec>, "rgb" | "ycbcr"][] = [
    ["no marker", {}, "ycbcr"],
    ["JFIF", { jfif: true }, "ycbcr"],
    ["Adobe transform 1", { adobeTransform: 1 }, "ycbcr"],
    ["Adobe transform 0", { adobeTransform: 0 }, "rgb"],
    ["Adobe transform 0 with JFIF", { adobeTransform: 0, jfif: true }, "ycbcr"],
    ["component ids R, G, B", { components: rgbIds }, "rgb"],
    ["component ids R, G, B with JFIF", { components: rgbIds, jfif: true }, "ycbcr"],
    ["component ids R, G, B with Adobe transform 1", { components: rgbIds, adobeTransform: 1 }, "ycbcr"],
  ];
  test.each(threes)("three components, %s", async (_, spec, expected) => {
    const jpeg = writeJpeg({ ...size, components: full, ...spec });
    const { data } = decode(jpeg);
    expect(largestDifference(data, await sharpRgb(jpeg))).toBe(0);
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
    expect(largestDifference(decode(jpeg).data, expected)).toBe(0);
  });

  test("a CMYK file written by sharp, baseline and progressive", async () => {
    for (const progressive of [false, true]) {
      const cmyk = gradient(61, 47).toColourspace("cmyk").jpeg({ progressive, quality: 95 });
      const jpeg = new Uint8Array(await cmyk.toBuffer());
      const expected = naiveRgb(await sharpCmyk(jpeg));
      expect(largestDifference(decode(jpeg).data, expected)).toBe(0);
    }
  });
});

describe("files that deviate from the standard are read as in libjpeg", () => {
  test("Motion JPEG frames, which omit the standard Huffman tables", async () => {
    for (const space of ["srgb", "b-w"]) {
      for (const picture of [gradient(61, 47), noise(61, 47)]) {
        const whole = await bytesOf(picture.toColourspace(space).jpeg({ optimiseCoding: false }));
        const frame = withoutSegments(whole, 0xc4);
        expect(frame.length).toBeLessThan(whole.length - 200);
        expect(decode(frame)).toEqual(decode(whole));
        expect(largestDifference(decode(frame).data, await sharpRgb(frame))).toBe(0);
      }
    }
  });

  test.each([[[1, 1, 1]], [[1, 2, 2]], [[1, 1, 2]], [[0, 0, 0]]])(
    "component ids %j: each selector of a scan means the next component with that id",
    async (ids) => {
      const components = ids.map((id, i) => ({ id, h: i === 0 ? 2 : 1, v: i === 0 ? 2 : 1 }));
      const jpeg = writeJpeg({ ...size, components });
      expect(largestDifference(decode(jpeg).data, await sharpRgb(jpeg))).toBe(0);
    },
  );
});

/** Returns the file without its segments of a marker before the image data. */
function withoutSegments(jpeg: Uint8Array, marker: number): Uint8Array {
  const kept = [0xff, 0xd8];
  let at = 2;
  while (jpeg[at + 1] !== 0xda) {
    const end = at + 2 + ((jpeg[at + 2]! << 8) | jpeg[at + 3]!);
    if (jpeg[at + 1] !== marker) kept.push(...jpeg.subarray(at, end));
    at = end;
  }
  return Uint8Array.from([...kept, ...jpeg.subarray(at)]);
}

import { describe, expect, test } from "vitest";
import { chooseScale, decodeCostBytes, maxFullScalePixels } from "../../src/image/jpeg/decode.ts";
import { layOutFrame } from "../../src/image/jpeg/header.ts";
import type { CheckedJpeg } from "../../src/image/jpeg/scans.ts";
import { maxDecodeBytes, maxImagePixels } from "../../src/limits.ts";
import { reasonOf } from "../support/image-errors.ts";

const MiB = 2 ** 20;
const kinds = {
  grey: [[1, 1]],
  "4:2:0": [
    [2, 2],
    [1, 1],
    [1, 1],
  ],
  "4:4:4": [
    [1, 1],
    [1, 1],
    [1, 1],
  ],
  cmyk: [
    [1, 1],
    [1, 1],
    [1, 1],
    [1, 1],
  ],
  "4:1:0": [
    [4, 4],
    [1, 1],
    [1, 1],
  ],
} as const;
type Kind = keyof typeof kinds;

/** A file of this size without scans. Its Huffman tables cost nothing. */
function image(width: number, height: number, kind: Kind = "4:2:0"): CheckedJpeg {
  const components = kinds[kind].map(([h, v], i) => ({ id: i + 1, h, v, quantisationTable: 0 }));
  const header = {
    ...layOutFrame(width, height, components),
    ...{ precision: 8, process: "baseline" as const },
    ...{ hasJfif: true, adobeTransform: undefined, exif: undefined },
  };
  return { bytes: new Uint8Array(0), header, scans: [], quantisers: [] };
}

/** The size that a model of `side` pixels needs: the short side has this length. */
function targetOf({ header: { width, height } }: CheckedJpeg, side = 256) {
  const scale = side / Math.min(width, height);
  return { width: Math.round(width * scale), height: Math.round(height * scale) };
}

const choose = (of: CheckedJpeg, budget: number = maxDecodeBytes) => chooseScale(of, targetOf(of), budget);

describe("with the Worker's budget", () => {
  test.each([
    ["a thumbnail", image(1, 1), 8],
    ["500x375", image(500, 375), 8],
    ["1280x1024, the largest at full size", image(1280, 1024), 8],
    ["one row more", image(1280, 1025), 2],
    ["4 MP", image(2304, 1728), 2],
    ["a 4 MP panorama", image(5000, 800), 4],
    ["12 MP", image(4032, 3024), 1],
    ["50 MP", image(8660, 5773), 1],
    ["50 MP CMYK", image(8660, 5773, "cmyk"), 1],
  ] as const)("%s", (_, of, eighths) => {
    expect(choose(of)).toEqual({ eighths, costBytes: decodeCostBytes(of, eighths) });
  });

  test("the limit of full size is 1280x1024", () => {
    expect(maxFullScalePixels).toBe(1280 * 1024);
  });

  test("neither side is smaller than the resized size, for any shape and model", () => {
    for (const kind of ["grey", "4:2:0", "4:4:4"] as const) {
      for (const side of [72, 256, 448]) {
        for (let short = 100; short < 4000; short += 50) {
          for (const ratio of [1, 4 / 3, 1.5, 16 / 9, 2]) {
            const of = image(Math.round(short * ratio), short, kind);
            const { eighths } = chooseScale(of, targetOf(of, side), maxDecodeBytes);
            expect((short * eighths) / 8).toBeGreaterThanOrEqual(Math.min(side, short));
          }
        }
      }
    }
  });

  test("every image within the pixel limit fits, for any shape and kind", () => {
    for (const kind of Object.keys(kinds) as Kind[]) {
      for (const width of [1, 764, 7071, 65_535]) {
        const of = image(width, Math.min(65_535, Math.floor(maxImagePixels / width)), kind);
        expect(choose(of).costBytes).toBeLessThanOrEqual(maxDecodeBytes);
        expect(decodeCostBytes(of, 1)).toBeLessThanOrEqual(2 * MiB);
      }
    }
  });
});

describe("the whole cost decides", () => {
  const of = image(1000, 700);

  test("a budget of exactly the cost allows a scale, one byte less chooses the next lower one", () => {
    for (const [eighths, lower] of [
      [8, 4],
      [4, 2],
      [2, 1],
    ] as const) {
      const cost = decodeCostBytes(of, eighths);
      expect(choose(of, cost)).toEqual({ eighths, costBytes: cost });
      expect(choose(of, cost - 1).eighths).toBe(lower);
    }
  });

  test("an image that fits at no scale is refused with the lowest cost and the budget", () => {
    const least = decodeCostBytes(of, 1);
    expect(reasonOf(() => choose(of, least - 1))).toEqual({
      code: "image_too_large",
      unit: "decode_bytes",
      measured: least,
      limit: least - 1,
    });
  });
});

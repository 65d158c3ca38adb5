import sharp, { type Sharp } from "sharp";
import { describe, expect, test } from "vitest";
import { chooseDecoder } from "../../src/image/choose-decoder.ts";
import { dcOnlyCostBytes, scaledCostBytes } from "../../src/image/decode-cost.ts";
import { type JpegHeader, parseJpegHeader } from "../../src/image/jpeg-header.ts";
import { checkJpeg } from "../../src/image/jpeg-scans.ts";
import { maxDecodeBytes, maxImagePixels } from "../../src/limits.ts";
import { writeJpeg } from "../../tools/fuzz/jpeg-writer.ts";
import { decodeWithin, newScaledDecoder } from "../support/image-decoders.ts";
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
} as const;
type Kind = keyof typeof kinds;

function header(
  width: number,
  height: number,
  kind: Kind = "4:2:0",
  process: JpegHeader["process"] = "baseline",
): JpegHeader {
  const components = kinds[kind].map(([h, v], i) => ({ id: i + 1, h, v, quantisationTable: 0 }));
  return {
    ...{ width, height, precision: 8, process, components },
    ...{ hasJfif: true, adobeTransform: undefined, exif: undefined },
  };
}

/** What a 224 pack asks for: the short side at 256. */
function target({ width, height }: JpegHeader) {
  const scale = 256 / Math.min(width, height);
  return { width: Math.round(width * scale), height: Math.round(height * scale) };
}

function choose(of: JpegHeader, compressedBytes = 2 * MiB, budget = maxDecodeBytes) {
  return chooseDecoder({ header: of, compressedBytes, target: target(of) }, budget);
}

describe("with the Worker's budget", () => {
  test.each([
    ["a thumbnail", header(1, 1), "jpeg-js", 8],
    ["500x375", header(500, 375), "jpeg-js", 8],
    ["500x375 progressive", header(500, 375, "4:2:0", "progressive"), "jpeg-js", 8],
    ["4 MP", header(2304, 1728), "scaled", 2],
    ["4 MP progressive", header(2304, 1728, "4:2:0", "progressive"), "scaled", 2],
    ["a 4 MP panorama", header(5000, 800), "scaled", 4],
    ["12 MP", header(4032, 3024), "dc-only", 1],
    ["12 MP progressive", header(4032, 3024, "4:2:0", "progressive"), "dc-only", 1],
    ["24 MP progressive", header(6000, 4000, "4:4:4", "progressive"), "dc-only", 1],
    ["50 MP", header(8660, 5773), "dc-only", 1],
    ["50 MP CMYK progressive", header(8660, 5773, "cmyk", "progressive"), "dc-only", 1],
  ] as const)("%s", (_, of, decoder, eighths) => {
    const choice = choose(of);
    expect(choice).toMatchObject({ decoder, eighths });
    expect(choice.costBytes).toBeLessThanOrEqual(maxDecodeBytes);
  });

  test("every image within the pixel limit fits some decoder, whatever its kind and compressed size", () => {
    for (const kind of Object.keys(kinds) as Kind[]) {
      for (const process of ["baseline", "progressive"] as const) {
        for (const width of [1, 764, 7071, 65_535]) {
          const of = header(width, Math.min(65_535, Math.floor(maxImagePixels / width)), kind, process);
          expect(dcOnlyCostBytes(of)).toBeLessThanOrEqual(12 * MiB);
          expect(choose(of, 32 * MiB).costBytes).toBeLessThanOrEqual(maxDecodeBytes);
        }
      }
    }
  });

  // The one gap: progressive files whose coefficients do not fit, below 2048 pixels of short side. They are decoded at
  // 1/8 and enlarged a little.
  test.each([
    ["grey", 1],
    ["4:2:0", 0.85],
    ["4:4:4", 0.63],
  ] as const)("%s up to 2:1 is decoded at %d of the resized size or more", (kind, least) => {
    for (const process of ["baseline", "progressive"] as const) {
      for (let short = 100; short < 4000; short += 50) {
        for (const ratio of [1, 4 / 3, 1.5, 16 / 9, 2]) {
          const of = header(Math.round(short * ratio), short, kind, process);
          const { eighths } = choose(of, 0.5 * of.width * of.height);
          const decoded = (short * eighths) / 8;
          expect(decoded / Math.min(256, short), `${process} ${short} at ${ratio}`).toBeGreaterThanOrEqual(
            least,
          );
        }
      }
    }
  });

  test("a long panorama whose better scale does not fit is decoded at the next lower one", () => {
    const of = header(25_000, 2000, "4:4:4", "progressive");
    expect(choose(of)).toMatchObject({ decoder: "dc-only", eighths: 1 });
    expect(choose(of, 2 * MiB, 1024 * MiB)).toMatchObject({ decoder: "scaled", eighths: 2 });
  });
});

describe("the choice is by the whole cost", () => {
  const of = header(1000, 700);

  test("jpeg-js up to the last byte of the budget, then the scaled decoder, then the DC-only one", () => {
    const whole = choose(of).costBytes;
    const scaled = choose(of, 100_000, whole - 1);
    expect(scaled).toMatchObject({ decoder: "scaled", eighths: 4 });
    expect(scaled.costBytes).toBe(scaledCostBytes(of, 100_000, 4));
    expect(choose(of, 100_000, scaled.costBytes)).toEqual(scaled);
    expect(choose(of, 100_000, scaled.costBytes - 1)).toMatchObject({ decoder: "scaled", eighths: 2 });
    expect(choose(of, 100_000, dcOnlyCostBytes(of))).toMatchObject({ decoder: "dc-only", eighths: 1 });
  });

  test("compressed bytes count where they are copied into the decoder's memory", () => {
    expect(scaledCostBytes(of, 5 * MiB, 2) - scaledCostBytes(of, 2 * MiB, 2)).toBe(3 * MiB);
  });

  test("what fits nowhere is refused with the least cost and the budget", () => {
    const least = dcOnlyCostBytes(of);
    expect(reasonOf(() => choose(of, 100_000, least - 1))).toEqual({
      code: "image_too_large",
      unit: "decode_bytes",
      measured: least,
      limit: least - 1,
    });
  });

  test("a restart layout that jpeg-js gets wrong goes to the scaled decoder", () => {
    const components = [1, 2, 3].map((id) => ({ id, h: 1, v: id === 1 ? 2 : 1 }));
    const spec = { width: 24, height: 24, components, scans: [[0], [1], [2]] };
    const limits = { maxPixels: 1_000_000, maxDecodeBytes };
    const plain = decodeWithin(writeJpeg(spec), limits);
    const restarts = decodeWithin(writeJpeg({ ...spec, restartInterval: 2 }), limits);
    expect([plain.decoder, restarts.decoder]).toEqual(["jpeg-js", "scaled"]);
    expect(restarts.eighths).toBe(8);
  });
});

describe("the scaled decoder's memory stays within its computed cost", () => {
  const noise = (width: number, height: number, sigma: number) =>
    sharp({
      create: {
        width,
        height,
        channels: 3,
        background: "red",
        noise: { type: "gaussian", mean: 128, sigma },
      },
    });
  const writers: Record<string, (image: Sharp) => Sharp> = {
    "4:2:0": (image) => image.jpeg({ quality: 60 }),
    "4:4:4": (image) => image.jpeg({ quality: 95, chromaSubsampling: "4:4:4" }),
    "progressive 4:2:0": (image) => image.jpeg({ progressive: true }),
    "progressive 4:4:4": (image) => image.jpeg({ progressive: true, chromaSubsampling: "4:4:4" }),
    mozjpeg: (image) => image.jpeg({ mozjpeg: true }),
    grey: (image) => image.toColourspace("b-w").jpeg(),
    "progressive grey": (image) => image.toColourspace("b-w").jpeg({ progressive: true }),
    cmyk: (image) => image.toColourspace("cmyk").jpeg(),
    "progressive cmyk": (image) => image.toColourspace("cmyk").jpeg({ progressive: true }),
  };

  function expectCovered(jpeg: Uint8Array) {
    const of = parseJpegHeader(jpeg);
    for (const eighths of [1, 2, 4, 8] as const) {
      const decoder = newScaledDecoder();
      const { width, height, data } = decoder.decode(checkJpeg(jpeg, of), eighths);
      expect([width, height]).toEqual([
        Math.ceil((of.width * eighths) / 8),
        Math.ceil((of.height * eighths) / 8),
      ]);
      expect(data).toHaveLength(width * height * 3);
      const cost = scaledCostBytes(of, jpeg.length, eighths);
      expect([eighths, decoder.largestMemoryBytes <= cost]).toEqual([eighths, true]);
      // The prediction is no idle upper bound either; grey is counted as RGB too.
      const grey = of.components.length === 1 ? width * height * 3 : 0;
      expect(cost - grey - decoder.largestMemoryBytes).toBeLessThan(3 * MiB);
    }
  }

  test.each(Object.keys(writers))("%s", async (name) => {
    for (const [width, height, sigma] of [
      [1, 1, 10],
      [17, 300, 10],
      [1001, 703, 4],
      [300, 2500, 60],
      [2500, 300, 60],
      [1300, 1000, 30],
    ] as const) {
      expectCovered(new Uint8Array(await writers[name]!(noise(width, height, sigma)).toBuffer()));
    }
  });

  test("restart intervals, one scan per component, odd sampling", () => {
    for (const [h, v] of [
      [4, 1],
      [1, 4],
      [2, 2],
      [3, 1],
    ] as const) {
      const components = [1, 2, 3].map((id) => ({ id, h: id === 1 ? h : 1, v: id === 1 ? v : 1 }));
      const spec = { width: 501, height: 307, components };
      expectCovered(writeJpeg({ ...spec, restartInterval: 3 }));
      expectCovered(writeJpeg({ ...spec, scans: [[0], [1], [2]], restartInterval: 5 }));
    }
  });
});

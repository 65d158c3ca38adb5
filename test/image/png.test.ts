/** The pixels of PNGs. sharp (libvips) is the reference. */
import fc from "fast-check";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { exifOrientation, type Orientation } from "../../src/image/orientation.ts";
import { imageToTensor, plainView, preprocess } from "../../src/image/preprocess.ts";
import { decodeLimits } from "../../src/limits.ts";
import { fuzzPreprocessing } from "../fuzz/attempt.ts";
import { decodeWithin } from "../support/image-decoders.ts";
import { gradient, largestDifference } from "../support/image-reference.ts";
import { chunk, kindsOfPng, type PngSpec, writePng } from "../support/png-writer.ts";

type Kind = (typeof kindsOfPng)[number];

const small = { width: 20, height: 12 } as const;
const rgb = { ...small, colourType: 2, bitDepth: 8 } as const;
const decode = async (png: Uint8Array) => (await decodeWithin(png, decodeLimits)).image;
const ascii = (text: string) => [...Buffer.from(text, "latin1")];

/** Decodes with sharp to RGB over white. */
async function reference(png: Uint8Array): Promise<Uint8Array> {
  const image = sharp(png, { ignoreIcc: true }).flatten({ background: "white" }).toColourspace("srgb");
  const { data, info } = await image.raw().toBuffer({ resolveWithObject: true });
  if (info.channels === 3) return data;
  return Uint8Array.from({ length: 3 * data.length }, (_, i) => data[Math.floor(i / 3)]!);
}

/**
 * Levels by which partly transparent pixels may differ: libvips rounds down where Pillow rounds to the nearest level, and
 * composites 16-bit samples before it reduces them.
 */
const toleranceOf = (
  { colourType, bitDepth }: Pick<PngSpec, "colourType" | "bitDepth">,
  transparent: boolean,
) => (colourType >= 4 ? 1 : colourType === 3 && transparent ? 1 : 0) * (bitDepth === 16 ? 2 : 1);

/** Body of tRNS: entries of a palette, or a pixel that occurs in the image. */
function transparencyOf({ colourType, bitDepth }: Kind): number[] {
  if (colourType === 3) return [0, 128, 255, 7].slice(0, 1 << bitDepth);
  // White is white, transparent or not.
  const values = colourType !== 0 ? [300, 2, 70] : bitDepth === 1 ? [0] : [1];
  return values.flatMap((value) => [value >> 8, value & 255]);
}

/** A sample that is often that of the transparent pixel. */
const oftenTransparent =
  (kind: Kind) =>
  (x: number, y: number, channel: number): number => {
    const bytes = transparencyOf(kind);
    if ((x + y) % 3 === 0) return 256 * bytes[2 * channel]! + bytes[2 * channel + 1]!;
    return x * 977 + y * 131 + channel;
  };

describe.each(kindsOfPng)("$name, $bitDepth bits", (kind) => {
  const sizes = [
    [1, 1],
    [1, 32],
    [2, 3],
    [3, 2],
    [5, 7],
    [8, 8],
    [9, 9],
    [32, 1],
    [32, 32],
    [37, 21],
  ] as const;

  test.each([false, true])("has the reference's pixels at every size; interlaced: %s", async (interlaced) => {
    for (const [width, height] of sizes) {
      const png = writePng({ ...kind, width, height, interlaced });
      const difference = largestDifference((await decode(png)).data, await reference(png));
      expect(difference, `${width}x${height}`).toBeLessThanOrEqual(toleranceOf(kind, false));
    }
  });

  test.each([0, 1, 2, 3, 4])("with filter %i in every row", async (filter) => {
    const png = writePng({ ...kind, width: 33, height: 9, filter: () => filter });
    const mixed = writePng({ ...kind, width: 33, height: 9 });
    expect(await decode(png)).toEqual(await decode(mixed));
  });

  test.runIf(kind.colourType < 4)("with tRNS: transparent pixels are white", async () => {
    for (const interlaced of [false, true]) {
      const transparency = transparencyOf(kind);
      const sample = kind.colourType === 3 ? undefined : oftenTransparent(kind);
      const spec = { ...kind, ...small, interlaced, ...(sample ? { sample } : {}) };
      const png = writePng({ ...spec, transparency });
      const { data } = await decode(png);
      expect(largestDifference(data, await reference(png))).toBeLessThanOrEqual(toleranceOf(kind, true));
      expect(data).not.toEqual((await decode(writePng(spec))).data);
    }
  });
});

test("any structure has the reference's pixels", async () => {
  const spec = fc.record({
    kind: fc.constantFrom(...kindsOfPng),
    width: fc.integer({ min: 1, max: 40 }),
    height: fc.integer({ min: 1, max: 40 }),
    interlaced: fc.boolean(),
    filters: fc.array(fc.nat({ max: 4 }), { minLength: 1, maxLength: 9 }),
    splits: fc.array(fc.nat({ max: 90 }), { maxLength: 12 }),
    level: fc.nat({ max: 9 }),
    factors: fc.tuple(fc.nat(), fc.nat()),
  });
  await fc.assert(
    fc.asyncProperty(spec, async ({ kind, filters, factors, ...rest }) => {
      const png = writePng({
        ...kind,
        ...rest,
        filter: (y) => filters[y % filters.length]!,
        sample: (x, y, channel) => (Math.imul(x, factors[0]) + Math.imul(y, factors[1])) >> channel,
      });
      const difference = largestDifference((await decode(png)).data, await reference(png));
      expect(difference).toBeLessThanOrEqual(toleranceOf(kind, false));
    }),
    { numRuns: 300, seed: 17 },
  );
});

describe("levels", () => {
  const pixels = async (spec: Omit<PngSpec, "width" | "height">, width: number) => [
    ...(await decode(writePng({ ...spec, width, height: 1 }))).data,
  ];

  test("of 16 bits are reduced to the first 8, in grey too, which Pillow clips instead", async () => {
    const values = [0, 0xff, 0x100, 0x7fff, 0x80ff, 0xfeff, 0xffff];
    const expected = values.flatMap((value) => [value >> 8, value >> 8, value >> 8]);
    for (const colourType of [0, 2]) {
      const spec = { colourType, bitDepth: 16, sample: (x: number) => values[x]! };
      expect(await pixels(spec, values.length)).toEqual(expected);
    }
  });

  test("of fewer than 8 bits are spread over 0 to 255", async () => {
    const ramp = (bitDepth: number) =>
      pixels({ colourType: 0, bitDepth, sample: (x: number) => x }, 1 << bitDepth);
    expect(await ramp(1)).toEqual([0, 0, 0, 255, 255, 255]);
    expect((await ramp(2)).filter((_, i) => i % 3 === 0)).toEqual([0, 85, 170, 255]);
    expect((await ramp(4)).filter((_, i) => i % 3 === 0)).toEqual(
      Array.from({ length: 16 }, (_, i) => i * 17),
    );
  });

  test("are composited over white and rounded to the nearest, for every level and alpha", async () => {
    const levelOf = (x: number) => x >> 8;
    const alphaOf = (x: number) => x & 255;
    const sample = (x: number, _: number, channel: number) => (channel === 0 ? levelOf(x) : alphaOf(x));
    const data = await pixels({ colourType: 4, bitDepth: 8, sample }, 65_536);
    const wrong = data.filter((level, i) => {
      const x = Math.floor(i / 3);
      return level !== Math.round((levelOf(x) * alphaOf(x) + 255 * (255 - alphaOf(x))) / 255);
    });
    expect(wrong).toEqual([]);
  });

  test("a pixel of 16 bits is transparent only if all its bits are those of tRNS", async () => {
    const sample = (x: number, _: number, channel: number) => 0x1020 + channel + (x === 1 ? 1 : 0);
    const transparency = [0x10, 0x20, 0x10, 0x21, 0x10, 0x22];
    expect(await pixels({ colourType: 2, bitDepth: 16, sample, transparency }, 2)).toEqual([
      ...[255, 255, 255],
      ...[16, 16, 16],
    ]);
  });

  test("of fewer than 16 bits are compared with the low bits of tRNS", async () => {
    const spec = { colourType: 0, bitDepth: 4, sample: (x: number) => x, transparency: [0xab, 0xc2] };
    expect((await pixels(spec, 4)).filter((_, i) => i % 3 === 0)).toEqual([0, 17, 255, 51]);
  });

  test("indices beyond the palette are black", async () => {
    const palette = Uint8Array.of(10, 20, 30, 40, 50, 60);
    const spec = { colourType: 3, bitDepth: 2, palette, sample: (x: number) => x };
    expect(await pixels(spec, 4)).toEqual([10, 20, 30, 40, 50, 60, 0, 0, 0, 0, 0, 0]);
  });
});

describe("chunks that do not change the pixels", () => {
  const ancillary = [
    chunk("gAMA", [0, 0, 0xb1, 0x8f]),
    chunk("cHRM", new Uint8Array(32)),
    chunk("sRGB", [0]),
    chunk("pHYs", [0, 0, 0, 1, 0, 0, 0, 1, 0]),
    chunk("tIME", [7, 230, 1, 1, 0, 0, 0]),
    chunk("sBIT", [5, 6, 5]),
    chunk("bKGD", [0, 1, 0, 2, 0, 3]),
    chunk("tEXt", ascii("Title\0a picture")),
    chunk("zzZz", [1, 2, 3], 0),
  ];
  const tRNS = (length: number) => chunk("tRNS", new Array<number>(length).fill(0));
  test.each<[string, Partial<PngSpec>]>([
    ["ancillary chunks before and after the data", { before: ancillary, after: ancillary }],
    ["a suggested palette", { palette: Uint8Array.of(1, 2, 3, 4, 5, 6) }],
    ["tRNS of a wrong length", { before: [tRNS(5)] }],
    ["tRNS with a wrong checksum", { before: [chunk("tRNS", new Uint8Array(6), 7)] }],
    ["tRNS after the data", { after: [tRNS(6)] }],
    [
      "an animation, whose default image it is",
      { before: [chunk("acTL", [0, 0, 0, 1, 0, 0, 0, 0])], after: [chunk("fdAT", [0, 0, 0, 1, 120])] },
    ],
    ["IDAT chunks of no bytes, one byte and more", { splits: [0, 1, 0, 0, 1, 1, 50, 3] }],
    ["one IDAT chunk per byte", { splits: new Array<number>(900).fill(1) }],
    ["uncompressed data", { level: 0 }],
  ])("%s", async (_, change) => {
    expect(await decode(writePng({ ...rgb, ...change }))).toEqual(await decode(writePng(rgb)));
  });

  test("anything after IEND", async () => {
    const png = writePng(rgb);
    const longer = new Uint8Array(Buffer.concat([png, Buffer.from("PK\x03\x04"), png]));
    expect(await decode(longer)).toEqual(await decode(png));
  });
});

describe("Exif", () => {
  const tiff = (orientation: number) => [
    ...ascii("MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0"),
    orientation,
    0,
    0,
    0,
    0,
    0,
    0,
  ];
  const exif = (orientation: number) => chunk("eXIf", tiff(orientation));

  test.each([1, 2, 3, 4, 5, 6, 7, 8] as Orientation[])("orientation %i is applied", async (orientation) => {
    expect(exifOrientation(Uint8Array.from(tiff(orientation)))).toBe(orientation);
    const png = writePng({ ...rgb, width: 90, height: 70, before: [exif(orientation)] });
    const image = await decode(writePng({ ...rgb, width: 90, height: 70 }));
    const view = { ...plainView(image), orientation };
    const { tensor, width, height } = await imageToTensor(png, fuzzPreprocessing, decodeLimits);
    expect(tensor).toEqual(preprocess(image, fuzzPreprocessing, undefined, view));
    expect([width, height]).toEqual(orientation <= 4 ? [90, 70] : [70, 90]);
  });

  test.each<[string, number, Partial<PngSpec>]>([
    ["after the image data", 6, { after: [exif(6)] }],
    ["twice: the first counts", 3, { before: [exif(3), exif(6)] }],
    ["with a wrong checksum: upright", 1, { before: [chunk("eXIf", tiff(6), 1)] }],
    ["that is broken: upright", 1, { before: [chunk("eXIf", [0x4d, 0x4d, 0])] }],
  ])("%s", async (_, orientation, change) => {
    expect(await decodeWithin(writePng({ ...rgb, ...change }), decodeLimits)).toMatchObject({ orientation });
  });
});

test("the tensor equals that of the whole image, bit for bit, whatever the shape", async () => {
  for (const [width, height] of [
    [150, 90],
    [31, 200],
    [64, 64],
    [500, 3],
    [1, 900],
  ] as const) {
    for (const interlaced of [false, true]) {
      const png = writePng({ ...rgb, width, height, interlaced });
      const image = await decode(png);
      for (const resize of ["shortest-edge", "stretch"] as const) {
        const how = { ...fuzzPreprocessing, resize };
        const actual = await imageToTensor(png, how, decodeLimits);
        expect(actual).toMatchObject({ width, height, decode: { decoder: "png", eighths: 8 } });
        expect(actual.tensor).toEqual(preprocess(image, how));
      }
    }
  }
});

test("files that sharp writes, of a photograph's size", async () => {
  const picture = gradient(1300, 900);
  for (const options of [{}, { palette: true }, { progressive: true }, { adaptiveFiltering: true }]) {
    const png = new Uint8Array(await picture.clone().png(options).toBuffer());
    expect(largestDifference((await decode(png)).data, await reference(png))).toBe(0);
  }
});

/** No input crashes or stalls the decoder: docs/hostile-input.md. */
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { segment } from "../../bench/pictures/jpeg-writer.ts";
import { maxBlockVisits, maxHuffmanTableBytes } from "../../src/image/jpeg/scans.ts";
import { exifOrientation } from "../../src/image/orientation.ts";
import { imageToTensor } from "../../src/image/preprocess.ts";
import { decodeLimits } from "../../src/limits.ts";
import { type Attempt, attemptEveryWay, fuzzPreprocessing } from "../fuzz/attempt.ts";
import {
  acRefinementBomb,
  dcRefinementBomb,
  flatGif,
  flatLosslessWebp,
  flatLossyWebp,
  flatPng,
  huffmanTableBomb,
} from "../fuzz/bombs.ts";
import { listedChoices, seededChoices } from "../fuzz/choices.ts";
import { hostileFile, mutationFamilies } from "../fuzz/generate.ts";
import { largeSeeds, type SeedFile, smallSeeds } from "../fuzz/seeds.ts";
import { concat, inserted } from "../fuzz/segments.ts";
import { subBlocks } from "../support/gif-writer.ts";
import { decodeAt, decodeWithin } from "../support/image-decoders.ts";
import { outcomeOf, rejectionOf } from "../support/image-errors.ts";
import { pngSignature } from "../support/png-writer.ts";
import { webpFile } from "../support/webp-writer.ts";

const attempts = (bytes: Uint8Array) => attemptEveryWay(bytes, fuzzPreprocessing);
const faultsOf = (all: readonly Attempt[]) => all.filter(({ fault }) => fault !== undefined);
const limits = { maxPixels: 50_000_000, maxDecodeBytes: 24 * 2 ** 20 };
const frontDoor = (bytes: Uint8Array) => decodeWithin(bytes, limits, { width: 64, height: 64 });
const frontDoorOutcome = (bytes: Uint8Array) =>
  frontDoor(bytes).then(
    () => "decoded",
    (error: unknown) =>
      outcomeOf(() => {
        throw error;
      }),
  );

const small = await smallSeeds();
const sound = small.filter(({ name }) => !["arithmetic-coded", "12-bit"].includes(name));
const seedNamed = (name: string) => small.find((seed) => seed.name === name)!.bytes;

/** A GIF is complete with the code of its last pixel. Up to four bytes follow: the end code, no more data, the trailer. */
const gifEndBytes = 4;

describe("a valid file of every kind", () => {
  test.each(sound.map(({ name, bytes }) => [name, bytes] as const))("%s is decoded", async (_, bytes) => {
    expect((await attempts(bytes))[0]).toMatchObject({ way: "request", outcome: "decoded" });
  });

  test.each(small.map(({ name, format, bytes }) => [name, format, bytes] as const))(
    "%s, truncated after any byte, is refused as a client error",
    async (_, format, bytes) => {
      for (let length = 0; length < bytes.length; length++) {
        const outcome = await frontDoorOutcome(bytes.slice(0, length));
        const isComplete = format === "gif" && length >= bytes.length - gifEndBytes;
        const refusals = ["image_undecodable", "unsupported_image", ...(isComplete ? ["decoded"] : [])];
        const allowed = length === 0 ? ["empty_body"] : refusals;
        expect(allowed, `${length} bytes`).toContain(outcome);
      }
    },
  );

  test("a GIF without its end has the same pixels", async () => {
    const bytes = seedNamed("GIF");
    const whole = await frontDoor(bytes);
    for (const missing of [1, 2]) {
      expect((await frontDoor(bytes.subarray(0, bytes.length - missing))).image).toEqual(whole.image);
    }
  });
});

describe("hostile files are decoded or refused, at every scale", () => {
  let large: SeedFile[];
  beforeAll(async () => {
    large = await largeSeeds();
  });

  test("1,500 files of one seed", async () => {
    const faults: unknown[] = [];
    const outcomes = new Set<string>();
    for (let index = 0; index < 1500; index++) {
      const { bytes, from, mutations } = hostileFile(seededChoices(8, index), [...small, ...large]);
      const all = await attempts(bytes);
      for (const { outcome } of all) outcomes.add(outcome);
      for (const fault of faultsOf(all)) faults.push({ index, from, mutations, ...fault });
    }
    expect(faults).toEqual([]);
    expect([...outcomes].sort()).toEqual([
      "decoded",
      "image_too_large",
      "image_undecodable",
      "unsupported_image",
    ]);
    // Takes about 15 s alone. Other suites may share the cores.
  }, 240_000);

  const families = Object.entries(mutationFamilies).flatMap(([format, members]) =>
    Object.entries(members).map(([family, mutations]) => [format, family, mutations] as const),
  );
  test.each(families)("%s, %s: no choice of mutations causes a fault", async (format, _, mutations) => {
    const seeds = sound.filter((seed) => seed.format === format);
    const choices = fc.array(fc.nat(), { minLength: 1, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...seeds),
        fc.constantFrom(...Object.values(mutations)),
        choices,
        async (seed, mutate, list) => {
          const bytes = mutate(seed.bytes, listedChoices(list), seeds[0]!.bytes);
          expect(faultsOf(await attempts(Uint8Array.from(bytes)))).toEqual([]);
        },
      ),
      { numRuns: 60, seed: 8 },
    );
  });

  test.each([
    ["JPEG", [0xff, 0xd8, 0xff]],
    ["PNG", [...pngSignature]],
    ["WebP", [...webpFile()]],
    ["GIF", [...seedNamed("GIF").subarray(0, 61)]],
  ] as const)("any bytes after the start of a %s", async (_, start) => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), async (tail) => {
        expect(faultsOf(await attempts(Uint8Array.from([...start, ...tail])))).toEqual([]);
      }),
      { numRuns: 500, seed: 8 },
    );
  });

  test("any bytes as Exif give a valid orientation", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (tiff) => {
        expect(exifOrientation(Uint8Array.from([0x49, 0x49, 0x2a, 0, ...tiff]))).toBeGreaterThanOrEqual(1);
        expect(exifOrientation(tiff)).toBeLessThanOrEqual(8);
      }),
      { numRuns: 500, seed: 8 },
    );
  });
});

describe("a file of few bytes and 50 megapixels that is within the limits is decoded", () => {
  test.each([
    ["PNG: grey", () => flatPng(7071, 7071, 0, 0)],
    ["PNG: RGBA, in filters that take the longest", () => flatPng(7071, 7071, 6, 4)],
    ["PNG: 50 million rows", () => flatPng(1, 50_000_000, 2, 4)],
    ["WebP: copies that take no bits", () => flatLosslessWebp(16_383, 3051, "copies")],
    ["WebP: subblocks that take few bits, and every filter", () => flatLossyWebp(16_383, 3051)],
    ["GIF: the longest strings", () => flatGif(7071, 7071)],
  ])("%s", async (_, make) => {
    const bytes = make();
    expect(bytes.length).toBeLessThan(1_200_000);
    const { decode } = await imageToTensor(bytes, fuzzPreprocessing, decodeLimits);
    expect(decode.costBytes).toBeLessThan(5 * 2 ** 20);
  });
});

describe("a file designed to keep a decoder busy is refused before decoding", () => {
  test("16 visits of each block of 50 megapixels, with the count and the limit", async () => {
    const blocks = 4 * 1024 * 763;
    expect(await rejectionOf(frontDoor(dcRefinementBomb(16)))).toEqual({
      code: "image_too_large",
      unit: "block_visits",
      measured: blocks * Math.ceil((maxBlockVisits + 1) / blocks),
      limit: maxBlockVisits,
    });
  });

  test("17 scans that code nothing, at any size, while 16 are decoded", async () => {
    expect(await rejectionOf(frontDoor(acRefinementBomb(17, 64, 64)))).toMatchObject({
      detail: "it repeats its scans far too often",
    });
    for (const eighths of [8, 4, 2, 1] as const) {
      expect(outcomeOf(() => decodeAt(acRefinementBomb(16, 64, 64), eighths))).toBe("decoded");
    }
  });

  test("thousands of Huffman tables", async () => {
    expect(await rejectionOf(frontDoor(huffmanTableBomb(maxHuffmanTableBytes + 100)))).toMatchObject({
      detail: "it has far more Huffman tables than scans",
    });
    expect(await frontDoorOutcome(huffmanTableBomb(maxHuffmanTableBytes - 100))).toBe("decoded");
  });

  test("but not 50 megapixels at 4:4:4 in twelve scans, mozjpeg's maximum", () => {
    const scans = 12;
    const frame = 3 * Math.ceil(8192 / 8) * Math.ceil(6100 / 8);
    expect(frame * scans).toBeLessThanOrEqual(maxBlockVisits);
  });

  const million = new Array<number>(1_000_000).fill(65);
  test.each([
    [
      "JPEG",
      "baseline 4:2:0",
      2,
      concat(...Array.from({ length: 16 }, () => segment(0xfe, million.slice(0, 65_533)))),
    ],
    // After the header and a table of 16 colours.
    ["GIF", "GIF", 13 + 48, concat([0x21, 0xfe], subBlocks(million))],
    ["GIF with applications", "GIF", 13 + 48, concat([0x21, 0xff], subBlocks(million))],
  ])("but not a megabyte of comments in a %s", async (_, name, at, comments) => {
    const bytes = seedNamed(name);
    expect(comments.length).toBeGreaterThan(1_000_000);
    const padded = inserted(bytes, at, comments);
    expect((await frontDoor(padded)).image).toEqual((await frontDoor(bytes)).image);
  });
});

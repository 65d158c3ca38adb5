/** No WebP file crashes or stalls the decoder, or makes it exceed its memory. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { describeFormat } from "../../src/image/detect.ts";
import { decodeWebp } from "../../src/image/webp/decode.ts";
import { decodeLimits } from "../../src/limits.ts";
import { seededChoices } from "../fuzz/choices.ts";
import { hostileFile } from "../fuzz/generate.ts";
import { smallWebps } from "../fuzz/seeds.ts";
import { allocationsOf } from "../support/allocations.ts";
import { outcomeOf } from "../support/image-errors.ts";
import { writeVp8l } from "../support/vp8l-writer.ts";
import { RowWindow } from "../support/webp-reference.ts";
import { chunk, Vp8xFlag, vp8x, webpFile } from "../support/webp-writer.ts";

const limits = { ...decodeLimits, maxPixels: 1_000_000 };

/** Reads some of the rows, as a crop does, and then the rest of the file. */
function decodeSome(webp: Uint8Array): void {
  decodeWebp(webp, limits, ({ size: { height } }) => new RowWindow(height >> 3, height - (height >> 3)));
}

const seeds = await smallWebps();
const allowed = ["decoded", "image_undecodable", "image_too_large"];

describe("hostile files are decoded or refused, within the memory limit", () => {
  test.each(seeds.map((seed) => [seed.name, seed] as const))("200 mutations of: %s", async (_, seed) => {
    const outcomes = new Set<string>();
    for (let index = 0; index < 200; index++) {
      const { bytes, mutations } = hostileFile(seededChoices(41, index), [seed]);
      if (describeFormat(bytes) !== "a WebP image") continue;
      const allocated = await allocationsOf(() => {
        const outcome = outcomeOf(() => decodeSome(bytes));
        expect(allowed, mutations.join()).toContain(outcome);
        outcomes.add(outcome);
      });
      expect(allocated.bytes, mutations.join()).toBeLessThanOrEqual(limits.maxDecodeBytes);
      const kept = allocated.arrays.reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
      expect(kept, mutations.join()).toBe(0);
    }
    expect(outcomes).toContain("decoded");
    expect(outcomes).toContain("image_undecodable");
  });

  test("any bytes as the content of an image or alpha chunk", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.constantFrom("VP8 ", "VP8L", "ALPH"),
        (tail, name) => {
          const vp8Start = [0x10, 2, 0, 0x9d, 0x01, 0x2a, 40, 0, 40, 0];
          const start = { "VP8 ": vp8Start, VP8L: [0x2f, 39, 0, 10, 0], ALPH: [1] }[name]!;
          const file = webpFile(
            vp8x(40, 40, Vp8xFlag.alpha),
            chunk(name, [...start, ...tail]),
            chunk("VP8 ", [...vp8Start, ...tail]),
          );
          expect(allowed).toContain(outcomeOf(() => decodeSome(file)));
        },
      ),
      { numRuns: 500, seed: 8 },
    );
  });
});

describe("files of few bytes and much work", () => {
  const one = (argb: number) => ({ tokens: [{ argb }], cacheBits: 0 });
  const [width, height] = [1000, 1000];

  test("a megapixel whose pixels take no bits", () => {
    const transforms = [
      { type: "predictor", bits: 2, image: one(13 << 8) },
      { type: "colour", bits: 2, image: one(0x112233) },
      { type: "subtractGreen" },
    ] as const;
    const file = webpFile(chunk("VP8L", writeVp8l(width, height, true, transforms, one(0x01020304))));
    expect(file.length).toBeLessThan(60);
    expect(outcomeOf(() => decodeSome(file))).toBe("decoded");
  });

  test("4,000 groups of prefix codes, of which two are used", async () => {
    const count = 4000;
    const tokens = Array.from({ length: 16 }, (_, i) => ({ argb: i }));
    const map = { tokens: [{ argb: 0 }, { argb: (count - 1) << 8 }], cacheBits: 0 };
    const ofToken = tokens.map((_, i) => (i % 8 < 4 ? 0 : count - 1));
    const image = { tokens, cacheBits: 0, groups: { bits: 2, image: map, count, ofToken } };
    const file = webpFile(chunk("VP8L", writeVp8l(8, 2, false, [], image)));
    const { bytes } = await allocationsOf(() => expect(outcomeOf(() => decodeSome(file))).toBe("decoded"));
    expect(bytes).toBeLessThan(200_000);
  });

  test("100,000 empty chunks", () => {
    const file = webpFile(vp8x(8, 8), ...Array.from({ length: 100_000 }, () => chunk("ABCD", [])));
    expect(outcomeOf(() => decodeSome(file))).toBe("image_undecodable");
  });
});

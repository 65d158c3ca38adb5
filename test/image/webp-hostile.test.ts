/** No WebP file crashes or stalls the decoder, or makes it exceed its memory. */
import fc from "fast-check";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { decodeWebp } from "../../src/image/webp/decode.ts";
import { decodeLimits } from "../../src/limits.ts";
import { type Choices, listedChoices, pick, randomBytes, seededChoices } from "../fuzz/choices.ts";
import { allocationsOf } from "../support/allocations.ts";
import { outcomeOf } from "../support/image-errors.ts";
import { randomVp8l, randomVp8Spec } from "../support/random-webp.ts";
import { writeVp8 } from "../support/vp8-writer.ts";
import { writeVp8l, writeVp8lStream } from "../support/vp8l-writer.ts";
import { RowWindow } from "../support/webp-reference.ts";
import {
  animationFrame,
  animationHeader,
  chunk,
  chunksOf,
  Vp8xFlag,
  vp8x,
  webpFile,
} from "../support/webp-writer.ts";

const limits = { ...decodeLimits, maxPixels: 1_000_000 };

/** Reads some of the rows, as a crop does, and then the rest of the file. */
function decodeSome(webp: Uint8Array): void {
  decodeWebp(webp, limits, ({ size: { height } }) => new RowWindow(height >> 3, height - (height >> 3)));
}

async function seeds(): Promise<Record<string, Uint8Array>> {
  const [width, height] = [60, 40];
  const choices = seededChoices(5, 0);
  const data = Uint8Array.from(
    { length: width * height * 4 },
    (_, i) => 128 + 100 * Math.sin(i / 9) + (i % 7),
  );
  const picture = sharp(data, { raw: { width, height, channels: 4 } });
  const { transforms, image } = randomVp8l(choices, width, height);
  const lossy = chunk("VP8 ", writeVp8(randomVp8Spec(choices, width, height), choices));
  const alpha = chunk("ALPH", [5, ...writeVp8lStream(transforms, image)]);
  const lossless = chunk("VP8L", writeVp8l(width, height, true, transforms, image));
  const place = { x: 2, y: 4, width, height };
  return {
    lossy: new Uint8Array(await picture.clone().removeAlpha().webp({ quality: 50 }).toBuffer()),
    "lossy with alpha": new Uint8Array(await picture.clone().webp({ quality: 50 }).toBuffer()),
    lossless: new Uint8Array(await picture.clone().webp({ lossless: true }).toBuffer()),
    palette: new Uint8Array(
      await picture.clone().png({ palette: true, colours: 4 }).webp({ lossless: true }).toBuffer(),
    ),
    "every part of VP8": webpFile(lossy),
    "every part of VP8L": webpFile(lossless),
    "every part of ALPH": webpFile(vp8x(width, height, Vp8xFlag.alpha), alpha, lossy),
    animation: webpFile(
      vp8x(64, 50, Vp8xFlag.animation | Vp8xFlag.alpha | Vp8xFlag.exif),
      animationHeader,
      animationFrame(place, alpha, lossy),
      animationFrame(place, lossless),
      chunk("EXIF", [
        ...Buffer.from("II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0", "latin1"),
      ]),
    ),
  };
}

const files = await seeds();

/** Changes a file in up to four places: bits, bytes, runs; most often near a beginning, where the headers are. */
function mutated(file: Uint8Array, choices: Choices): Uint8Array {
  let bytes: Uint8Array = file.slice();
  for (let count = 1 + choices.below(4); count > 0; count--) {
    const range = pick(choices, [40, 120, bytes.length]);
    const at = choices.below(Math.max(1, Math.min(range, bytes.length)));
    const kind = choices.below(5);
    if (kind === 0) bytes[at]! ^= 1 << choices.below(8);
    else if (kind === 1) bytes[at] = choices.below(256);
    else if (kind === 2) bytes.set(randomBytes(choices, Math.min(8, bytes.length - at)), at);
    else if (kind === 3) bytes.fill(pick(choices, [0, 255]), at, at + choices.below(40));
    else bytes = withContentCut(bytes, choices);
  }
  return bytes;
}

/** Shortens the content of one chunk and keeps the sizes right, so that the data ends early and not the file. */
function withContentCut(file: Uint8Array, choices: Choices): Uint8Array {
  const chunks = chunksOf(file);
  const cut = choices.below(Math.max(1, chunks.length));
  return webpFile(
    ...chunks.map(({ name, content }, i) =>
      chunk(name, i === cut ? content.subarray(0, choices.below(content.length + 1)) : content),
    ),
  );
}

const allowed = ["decoded", "image_undecodable", "image_too_large"];

describe("hostile files are decoded or refused, within the memory limit", () => {
  test.each(Object.keys(files))("200 mutations of: %s", async (name) => {
    const outcomes = new Set<string>();
    for (let index = 0; index < 200; index++) {
      const bytes = mutated(files[name]!, seededChoices(41, index));
      const allocated = await allocationsOf(() => {
        const outcome = outcomeOf(() => decodeSome(bytes));
        expect(allowed, `file ${index}`).toContain(outcome);
        outcomes.add(outcome);
      });
      expect(allocated.bytes, `file ${index}`).toBeLessThanOrEqual(limits.maxDecodeBytes);
      const kept = allocated.arrays.reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
      expect(kept, `file ${index}`).toBe(0);
    }
    expect(outcomes).toContain("decoded");
    expect(outcomes).toContain("image_undecodable");
  });

  test("no choice of mutations causes a fault", () => {
    const choices = fc.array(fc.nat(), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(fc.constantFrom(...Object.values(files)), choices, (file, list) => {
        expect(allowed).toContain(outcomeOf(() => decodeSome(mutated(file, listedChoices(list)))));
      }),
      { numRuns: 300, seed: 8 },
    );
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

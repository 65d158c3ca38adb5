/** The pixels of WebP images equal those of libwebp, through sharp, bit for bit. */
import { readFileSync } from "node:fs";
import path from "node:path";
import sharp, { type Sharp, type WebpOptions } from "sharp";
import { describe, expect, test } from "vitest";
import { decodeWebp } from "../../src/image/webp/decode.ts";
import { decodeLimits } from "../../src/limits.ts";
import { randomBytes, seededChoices } from "../fuzz/choices.ts";
import { largestDifference } from "../support/image-reference.ts";
import { randomVp8l, randomVp8Spec } from "../support/random-webp.ts";
import { writeVp8 } from "../support/vp8-writer.ts";
import { type Token, writeVp8l, writeVp8lStream } from "../support/vp8l-writer.ts";
import { decodeWhole, RowWindow, sharpOverWhite } from "../support/webp-reference.ts";
import {
  animationFrame,
  animationHeader,
  chunk,
  contentOf,
  Vp8xFlag,
  vp8x,
  webpFile,
} from "../support/webp-writer.ts";

const teapot = path.join(import.meta.dirname, "..", "..", "examples", "images", "teapot.jpg");

/** Draws waves in all channels with a little noise, the fourth channel from transparent to opaque. */
function waves(width: number, height: number, channels: 3 | 4): Sharp {
  const choices = seededChoices(width, height);
  const data = new Uint8ClampedArray(width * height * channels);
  for (let i = 0; i < data.length; i++) {
    const x = Math.floor(i / channels) % width;
    const y = Math.floor(i / channels / width);
    const wave = Math.sin((x + 2 * y) / 9 + (i % channels) * 2) * Math.cos((y - x) / 13);
    data[i] = 128 + (i % channels === 3 ? 300 : 100) * wave + choices.below(12);
  }
  return sharp(data, { raw: { width, height, channels } });
}

async function expectEqual(webp: Uint8Array, name: string): Promise<void> {
  const expected = await sharpOverWhite(webp);
  const { image } = decodeWhole(webp);
  expect([image.width, image.height], name).toEqual([expected.width, expected.height]);
  expect(largestDifference(image.data, expected.data), name).toBe(0);
}

const encoded = async (picture: Sharp, options: WebpOptions) =>
  new Uint8Array(await picture.webp(options).toBuffer());

const sides = [1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 64];
const presets = ["default", "photo", "picture", "drawing", "icon", "text"] as const;

describe("libwebp's encoder", () => {
  test.each([3, 4] as const)("lossy and lossless at every size, %i channels", async (channels) => {
    for (const width of sides) {
      for (const height of sides) {
        const lossless = (width + height) % 2 === 1;
        const webp = await encoded(waves(width, height, channels), { lossless, quality: 60, effort: 1 });
        await expectEqual(webp, `${width}x${height}`);
      }
    }
  });

  test.each([1, 20, 50, 75, 95, 100])("lossy at quality %i, with every effort", async (quality) => {
    for (let effort = 0; effort <= 6; effort++) {
      for (const smartSubsample of [false, true]) {
        const webp = await encoded(waves(101, 67, 3), { quality, effort, smartSubsample });
        await expectEqual(webp, `effort ${effort}, ${smartSubsample}`);
      }
    }
  });

  test.each(presets)("the preset %s, lossy, lossless and nearly lossless", async (preset) => {
    for (const channels of [3, 4] as const) {
      await expectEqual(await encoded(waves(90, 70, channels), { preset, quality: 70 }), "lossy");
      await expectEqual(await encoded(waves(90, 70, channels), { preset, lossless: true }), "lossless");
      await expectEqual(await encoded(waves(90, 70, channels), { preset, nearLossless: true }), "near");
    }
  });

  test("alpha at every quality", async () => {
    for (const alphaQuality of [0, 10, 50, 90, 100]) {
      for (const effort of [0, 3, 6]) {
        await expectEqual(
          await encoded(waves(90, 70, 4), { alphaQuality, effort }),
          `${alphaQuality}, ${effort}`,
        );
      }
    }
  });

  test("palettes of 1 to 256 colours, with one to eight pixels in one", async () => {
    for (const colours of [1, 2, 3, 4, 5, 16, 17, 100, 256]) {
      for (const width of [1, 31, 64]) {
        const data = Uint8Array.from({ length: width * 50 * 3 }, (_, i) => {
          const index = (Math.floor(i / 3) * 7 + Math.floor(i / 3 / width) * 3) % colours;
          return [index * 5, 255 - index, index * 13][i % 3]!;
        });
        const picture = sharp(data, { raw: { width, height: 50, channels: 3 } });
        await expectEqual(await encoded(picture, { lossless: true, effort: 6 }), `${colours}, ${width}`);
      }
    }
  });

  test("a photograph with more pixels than copies reach back", async () => {
    const photo = sharp(teapot).resize(1200, 900);
    await expectEqual(await encoded(photo.clone(), { quality: 80 }), "lossy");
    await expectEqual(await encoded(photo.clone(), { lossless: true, effort: 2 }), "lossless");
  });
});

/** Random valid data, which uses everything that the format allows. */
describe("random bitstreams", () => {
  const count = 60;
  const each = async (
    run: (choices: ReturnType<typeof seededChoices>, w: number, h: number) => Uint8Array,
  ) => {
    for (let index = 0; index < count; index++) {
      const choices = seededChoices(17, index);
      const [width, height] = [1 + choices.below(80), 1 + choices.below(60)];
      await expectEqual(run(choices, width, height), `file ${index}: ${width}x${height}`);
    }
  };

  test("VP8: partitions, segments, both filters, all modes", async () => {
    await each((choices, width, height) =>
      webpFile(chunk("VP8 ", writeVp8(randomVp8Spec(choices, width, height), choices))),
    );
  });

  test("VP8L: transforms in any order, groups of codes, caches, copies", async () => {
    await each((choices, width, height) => {
      const { transforms, image } = randomVp8l(choices, width, height);
      const hasAlpha = choices.below(2) === 0;
      return webpFile(chunk("VP8L", writeVp8l(width, height, hasAlpha, transforms, image)));
    });
  });

  test("VP8L: copies over the largest distance, in an image that is larger", async () => {
    const choices = seededChoices(17, count);
    const side = 1100;
    const literals = Array.from({ length: 4096 }, () => ({ argb: choices.below(2 ** 32) | 0 }));
    const tokens: Token[] = [...literals];
    for (let position = literals.length; position < side * side; position += 4096) {
      const length = Math.min(4096, side * side - position);
      const farthest = Math.min(position, 2 ** 20 - 120);
      tokens.push({ length, distance: 120 + farthest - choices.below(200) });
    }
    const image = { tokens, cacheBits: 0 };
    await expectEqual(webpFile(chunk("VP8L", writeVp8l(side, side, true, [], image))), "copies");
  });

  test("ALPH: every filter, with and without compression", async () => {
    await each((choices, width, height) => {
      const [filter, hint] = [choices.below(4), choices.below(2)];
      const isCompressed = choices.below(2);
      const { transforms, image } = randomVp8l(choices, width, height);
      const content = isCompressed
        ? writeVp8lStream(transforms, image)
        : randomBytes(choices, width * height);
      return webpFile(
        vp8x(width, height, Vp8xFlag.alpha),
        chunk("ALPH", [isCompressed | (filter << 2) | (hint << 4), ...content]),
        chunk("VP8 ", writeVp8(randomVp8Spec(choices, width, height), choices)),
      );
    });
  });
});

describe("the container", () => {
  test("the first frame of an animation is on its place, and the rest of the canvas is white", async () => {
    for (const lossless of [false, true]) {
      const first = await encoded(waves(40, 30, 4), { lossless });
      const second = await encoded(sharp(teapot).resize(60, 50), { lossless: false });
      const chunks = lossless
        ? [chunk("VP8L", contentOf(first, "VP8L"))]
        : [chunk("ALPH", contentOf(first, "ALPH")), chunk("VP8 ", contentOf(first, "VP8 "))];
      const webp = webpFile(
        vp8x(60, 50, Vp8xFlag.animation | Vp8xFlag.alpha),
        animationHeader,
        animationFrame({ x: 6, y: 14, width: 40, height: 30 }, ...chunks),
        animationFrame({ x: 0, y: 0, width: 60, height: 50 }, chunk("VP8 ", contentOf(second, "VP8 "))),
      );
      await expectEqual(webp, `lossless: ${lossless}`);
      const { image } = decodeWhole(webp);
      expect([...image.data.subarray(0, 14 * 60 * 3)].every((level) => level === 255)).toBe(true);
    }
  });

  test("an animation that sharp writes", async () => {
    const pages = await Promise.all(
      [1, 2, 3].map((i) =>
        waves(40, 30 + i - i, 4)
          .raw()
          .toBuffer(),
      ),
    );
    const raw = { width: 40, height: 90, channels: 4, pageHeight: 30 } as const;
    for (const lossless of [false, true]) {
      await expectEqual(await encoded(sharp(Buffer.concat(pages), { raw }), { lossless }), `${lossless}`);
    }
  });

  test("Exif's orientation, with and without JPEG's prefix, but not without its flag", async () => {
    for (let orientation = 1; orientation <= 8; orientation++) {
      const webp = await encoded(waves(20, 12, 3).withMetadata({ orientation }), {});
      expect(decodeWhole(webp)).toMatchObject({ orientation, fullSize: { width: 20, height: 12 } });
      const exif = contentOf(webp, "EXIF");
      const tiff = String.fromCharCode(...exif.subarray(0, 4)) === "Exif" ? exif.subarray(6) : exif;
      const image = chunk("VP8 ", contentOf(webp, "VP8 "));
      const rebuilt = (flags: number, content: ArrayLike<number>) =>
        decodeWhole(webpFile(vp8x(20, 12, flags), image, chunk("EXIF", content))).orientation;
      expect(rebuilt(Vp8xFlag.exif, tiff)).toBe(orientation);
      expect(rebuilt(Vp8xFlag.exif, [...Buffer.from("Exif\0\0"), ...tiff])).toBe(orientation);
      expect(rebuilt(0, tiff)).toBe(1);
    }
  });

  test("colour profiles, unknown chunks, padding and trailing bytes change nothing", async () => {
    const webp = await encoded(waves(21, 13, 4), { quality: 30 });
    const plain = decodeWhole(webp);
    const [alpha, image] = [chunk("ALPH", contentOf(webp, "ALPH")), chunk("VP8 ", contentOf(webp, "VP8 "))];
    const odd = chunk("ABCD", [1, 2, 3]);
    const flags = Vp8xFlag.alpha | Vp8xFlag.colourProfile;
    const rebuilt = webpFile(
      vp8x(21, 13, flags),
      chunk("ICCP", [9]),
      odd,
      alpha,
      odd,
      image,
      odd,
      image,
      alpha,
    );
    expect(decodeWhole(rebuilt)).toEqual(plain);
    expect(decodeWhole(Uint8Array.from([...webp, ...webp, 1, 2, 3]))).toEqual(plain);
  });
});

describe("rows", () => {
  test("leaving out rows does not change the others", async () => {
    const lossy = await encoded(waves(50, 100, 4), {});
    const lossless = await encoded(waves(50, 100, 4), { lossless: true });
    for (const webp of [lossy, lossless]) {
      const { image } = decodeWhole(webp);
      for (const first of [0, 1, 5, 16, 17, 40, 73, 99]) {
        const { sink } = decodeWebp(
          webp,
          decodeLimits,
          () => new RowWindow(first, Math.min(100, first + 20)),
        );
        for (const [i, row] of sink.rows.entries()) {
          const at = (first + i) * 150;
          expect(row).toEqual(image.data.subarray(at, at + 150));
        }
      }
    }
  });

  test("an example picture as lossless WebP has the pixels of the JPEG", async () => {
    const jpeg = readFileSync(teapot);
    const { data } = await sharp(jpeg).raw().toBuffer({ resolveWithObject: true });
    const { image } = decodeWhole(await encoded(sharp(jpeg), { lossless: true, effort: 1 }));
    expect(largestDifference(image.data, data)).toBe(0);
  });
});

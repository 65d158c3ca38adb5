/** Decoding a WebP allocates exactly the memory that it states, within the limit, and frees it. */
import sharp, { type WebpOptions } from "sharp";
import { describe, expect, test } from "vitest";
import type { RowSink } from "../../src/image/rgb-image.ts";
import { parseWebp } from "../../src/image/webp/container.ts";
import { decodeWebp, webpLeastCostBytes } from "../../src/image/webp/decode.ts";
import { decodeLimits, maxDecodeBytes, maxImagePixels } from "../../src/limits.ts";
import { randomBytes, seededChoices } from "../fuzz/choices.ts";
import { allocationsOf } from "../support/allocations.ts";
import { randomVp8l, randomVp8Spec } from "../support/random-webp.ts";
import { writeVp8 } from "../support/vp8-writer.ts";
import { writeVp8l, writeVp8lStream } from "../support/vp8l-writer.ts";
import { chunk, contentOf, Vp8xFlag, vp8x, webpFile } from "../support/webp-writer.ts";

/** Takes all rows and keeps none. */
const allRows = (height: number): RowSink => ({ firstRow: 0, endRow: height, push: () => {} });

/** Decodes a file and compares what it allocates with what it states. */
async function expectExact(webp: Uint8Array, name: string): Promise<{ cost: number; least: number }> {
  let cost = 0;
  const { bytes, arrays } = await allocationsOf(() => {
    decodeWebp(webp, decodeLimits, ({ costBytes, size }) => {
      cost = costBytes;
      return allRows(size.height);
    });
  });
  const kept = arrays.reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
  expect({ bytes, kept }, name).toEqual({ bytes: cost, kept: 0 });
  return { cost, least: webpLeastCostBytes(parseWebp(webp)) };
}

/** Encodes noise, which is partly transparent if it has four channels. */
async function encoded(width: number, height: number, channels: 3 | 4, options: WebpOptions) {
  const noise = randomBytes(seededChoices(width, height), width * height * channels);
  return new Uint8Array(await sharp(noise, { raw: { width, height, channels } }).webp(options).toBuffer());
}

describe("a decode allocates exactly what it states, and frees all of it", () => {
  test("lossy: the cost is known from the header and does not depend on the height", async () => {
    for (const width of [1, 16, 17, 500]) {
      const costs = new Set<number>();
      for (const height of [1, 40, 700]) {
        const { cost, least } = await expectExact(await encoded(width, height, 3, {}), `${width}x${height}`);
        expect(cost).toBe(least);
        costs.add(cost);
      }
      expect(costs.size).toBe(1);
    }
  });

  test("lossless: transforms and prefix codes come on top of what the header tells", async () => {
    for (const [width, height] of [
      [3, 3],
      [300, 200],
      [900, 40],
    ] as const) {
      for (const options of [{ lossless: true }, { nearLossless: true }]) {
        const { cost, least } = await expectExact(
          await encoded(width, height, 4, options),
          `${width}x${height}`,
        );
        expect(cost).toBeGreaterThan(least);
      }
    }
  });

  test("alpha without compression: the cost is known from the header", async () => {
    const choices = seededChoices(3, 0);
    const webp = webpFile(
      vp8x(40, 30, Vp8xFlag.alpha),
      chunk("ALPH", [0, ...randomBytes(choices, 1200)]),
      chunk("VP8 ", writeVp8(randomVp8Spec(choices, 40, 30), choices)),
    );
    const { cost, least } = await expectExact(webp, "raw alpha");
    expect(cost).toBe(least);
  });

  test("random bitstreams", async () => {
    for (let index = 0; index < 40; index++) {
      const choices = seededChoices(3, index);
      const [width, height] = [1 + choices.below(60), 1 + choices.below(60)];
      const { transforms, image } = randomVp8l(choices, width, height);
      const lossless = chunk("VP8L", writeVp8l(width, height, true, transforms, image));
      const alpha = chunk("ALPH", [1, ...writeVp8lStream(transforms, image)]);
      const lossy = chunk("VP8 ", writeVp8(randomVp8Spec(choices, width, height), choices));
      await expectExact(webpFile(lossless), `lossless ${index}`);
      await expectExact(webpFile(vp8x(width, height, Vp8xFlag.alpha), alpha, lossy), `lossy ${index}`);
    }
  });

  test("a file that turns out to be broken", async () => {
    for (const name of ["VP8 ", "VP8L"]) {
      const content = contentOf(await encoded(60, 60, 3, { lossless: name === "VP8L" }), name);
      const webp = webpFile(chunk(name, content.subarray(0, content.length / 2)));
      const { arrays } = await allocationsOf(() => {
        expect(() => decodeWebp(webp, decodeLimits, () => allRows(60))).toThrow(/cannot be decoded/);
      });
      expect(arrays.length).toBeGreaterThan(0);
      expect(arrays.reduce((sum, { buffer }) => sum + buffer.byteLength, 0)).toBe(0);
    }
  });
});

describe("with the Worker's limits", () => {
  /** What the header of an image of this size tells. */
  function leastCost(width: number, height: number, isLossless: boolean): number {
    const frame = { x: 0, y: 0, width, height, isLossless, data: new Uint8Array(0), alpha: undefined };
    return webpLeastCostBytes({ width, height, frame, exif: undefined });
  }

  test("every lossy image fits", () => {
    for (const width of [1, 4000, 16_383]) {
      const height = Math.min(16_383, Math.floor(maxImagePixels / width));
      expect(leastCost(width, height, false)).toBeLessThan(2 ** 20);
    }
  });

  test("every lossless image leaves 3.5 MiB for its transforms and prefix codes", () => {
    for (const width of [1, 4000, 16_384]) {
      const height = Math.min(16_384, Math.floor(maxImagePixels / width));
      expect(leastCost(width, height, true)).toBeLessThan(maxDecodeBytes - 3.5 * 2 ** 20);
    }
  });
});

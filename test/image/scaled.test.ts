/** `edge-resnet/image`: small pixels of large files, and the memory that they take. */
import sharp, { type Sharp } from "sharp";
import { describe, expect, test } from "vitest";
import { decodeScaled, memoryBytes } from "../../src/image/scaled.ts";
import { allocationsOf } from "../support/allocations.ts";
import { exampleImage } from "../support/worker.ts";

const teapot = await exampleImage("teapot");
const bytesOf = async (image: Sharp) => new Uint8Array(await image.toBuffer());
const file = { width: 1200, height: 900 };

/** Mean difference of two images, in levels of 0 to 255. */
function meanDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Array.from(a).reduce((sum, level, i) => sum + Math.abs(level - b[i]!), 0) / a.length;
}

describe("decodeScaled", () => {
  test.each([
    [300, 300, 400, 300],
    [640, 1, 640, 480],
    [1, 90, 120, 90],
    [5000, 5000, 1200, 900],
    [1, 1, 1, 1],
  ])("covers %dx%d with %dx%d pixels, and never enlarges", async (minWidth, minHeight, width, height) => {
    const image = await decodeScaled(teapot, { minWidth, minHeight });
    expect(image).toMatchObject({ width, height, originalSize: file });
    expect(image.data.length).toBe(3 * width * height);
  });

  test("has nearly the pixels that sharp makes with the same filter", async () => {
    const { data } = await decodeScaled(teapot, { minWidth: 240, minHeight: 180 });
    const expected = await sharp(teapot).resize(240, 180, { kernel: "linear" }).raw().toBuffer();
    expect(meanDifference(data, expected)).toBeLessThan(1.5);
  });

  test.each([1, 2, 3, 4, 5, 6, 7, 8])("applies Exif's orientation %d", async (orientation) => {
    const turned = await bytesOf(sharp(teapot).jpeg({ quality: 95 }).withMetadata({ orientation }));
    const { data, width, height, originalSize } = await decodeScaled(turned, { minWidth: 60, minHeight: 60 });
    const upright = sharp(turned).autoOrient().resize(width, height, { fit: "fill", kernel: "linear" });
    const expected = await upright.raw().toBuffer();
    const isTurned = orientation >= 5;
    expect([width, height]).toEqual(isTurned ? [60, 80] : [80, 60]);
    expect(originalSize).toEqual(isTurned ? { width: 900, height: 1200 } : file);
    expect(meanDifference(data, expected)).toBeLessThan(2);
  });

  test.each(["png", "webp", "gif"] as const)("reads %s", async (format) => {
    const image = await bytesOf(sharp(teapot).toFormat(format));
    const { data, width, height } = await decodeScaled(image, { minWidth: 100, minHeight: 75 });
    const { data: expected } = await decodeScaled(teapot, { minWidth: 100, minHeight: 75 });
    expect([width, height]).toEqual([100, 75]);
    expect(meanDifference(data, expected)).toBeLessThan(6);
  });

  test("refuses options that are not positive integers, and what is no image", async () => {
    for (const minWidth of [0, -1, 1.5, Number.NaN]) {
      await expect(decodeScaled(teapot, { minWidth, minHeight: 1 })).rejects.toThrow(
        /^minWidth is .*; expected/,
      );
    }
    const text = new TextEncoder().encode("no image");
    await expect(decodeScaled(text, { minWidth: 1, minHeight: 1 })).rejects.toMatchObject({
      reason: { code: "unsupported_image" },
    });
    const small = { minWidth: 1, minHeight: 1, maxPixels: 1_000_000 };
    await expect(decodeScaled(teapot, small)).rejects.toMatchObject({
      reason: { code: "image_too_large", unit: "pixels", measured: 1_080_000 },
    });
  });
});

describe("memoryBytes", () => {
  const options = { minWidth: 256, minHeight: 256 };
  const large = () => sharp(teapot).resize(6000, 4000, { kernel: "nearest" });

  test.each<[string, () => Sharp]>([
    ["JPEG of 24 MP", () => large().jpeg()],
    ["progressive JPEG of 24 MP", () => large().jpeg({ progressive: true })],
    ["GIF", () => sharp(teapot).gif()],
    ["lossy WebP", () => sharp(teapot).webp()],
  ])("is what a %s allocates, a few megabytes at most", async (_, make) => {
    const image = await bytesOf(make());
    const stated = memoryBytes(image, options);
    const { bytes } = await allocationsOf(() => decodeScaled(image, options));
    // The resizer's exact weights are Float64Array, which the count leaves out.
    expect(bytes).toBeLessThanOrEqual(stated);
    expect(bytes).toBeGreaterThan(0.9 * stated);
    expect(stated).toBeLessThan(4_000_000);
  });

  test("is a bound for lossless WebP", async () => {
    const image = await bytesOf(large().webp({ lossless: true, effort: 0 }));
    const { bytes } = await allocationsOf(() => decodeScaled(image, options));
    expect(bytes).toBeLessThanOrEqual(memoryBytes(image, options));
    expect(memoryBytes(image, options)).toBeLessThan(9_500_000);
  });

  test("of a PNG of 24 MP is below two megabytes", async () => {
    expect(memoryBytes(await bytesOf(large().png()), options)).toBeLessThan(2_000_000);
  });
});

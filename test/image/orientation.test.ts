import fc from "fast-check";
import sharp, { type Sharp } from "sharp";
import { describe, expect, test } from "vitest";
import { exifOrientation, type Orientation } from "../../src/image/orientation.ts";
import { imageToTensor, plainView, preprocess, resizeAndCrop } from "../../src/image/preprocess.ts";
import type { RgbImage } from "../../src/image/rgb-image.ts";
import type { Preprocessing } from "../../src/model/manifest.ts";
import { gradient, largestDifference } from "../support/image-reference.ts";

const orientations: Orientation[] = [1, 2, 3, 4, 5, 6, 7, 8];
const options = { maxPixels: 50e6, maxDecodeBytes: 48 * 2 ** 20 };
const preprocessing: Preprocessing = {
  resize: "shortest-edge",
  size: 72,
  crop: 64,
  interpolation: "bilinear",
  color: "RGB",
  // Makes tensors equal to pixel levels.
  mean: [0, 0, 0],
  std: [1 / 255, 1 / 255, 1 / 255],
};

async function raw(image: Sharp): Promise<RgbImage> {
  const { data, info } = await image.removeAlpha().raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data: new Uint8Array(data) };
}

const oriented = async (image: Sharp, orientation: Orientation, progressive = false) => {
  const jpeg = image.jpeg({ quality: 95, chromaSubsampling: "4:4:4", progressive });
  return new Uint8Array(await jpeg.withMetadata({ orientation }).toBuffer());
};

describe.each(orientations)("Exif orientation %i", (orientation) => {
  test.each([
    [151, 90],
    [90, 151],
    [100, 100],
  ])("a %ix%i image is classified as displayed", async (width, height) => {
    const jpeg = await oriented(gradient(width, height), orientation);
    const upright = await raw(sharp(jpeg).autoOrient());
    const actual = await imageToTensor(jpeg, preprocessing, options);
    expect([actual.width, actual.height]).toEqual([upright.width, upright.height]);
    expect(largestDifference(actual.tensor, preprocess(upright, preprocessing))).toBeLessThanOrEqual(4);
  });

  test("turning after the crop equals turning the whole image before it, within rounding", async () => {
    for (const [width, height] of [
      [151, 90],
      [92, 137],
    ] as const) {
      const image = await raw(gradient(width, height));
      const tiff = await sharp(image.data, { raw: { width, height, channels: 3 } })
        .withMetadata({ orientation })
        .tiff({ compression: "none" })
        .toBuffer();
      const upright = await raw(sharp(tiff).autoOrient());
      for (const resize of ["shortest-edge", "stretch"] as const) {
        for (const crop of [64, 63]) {
          const how = { ...preprocessing, resize, crop };
          const turned = resizeAndCrop(image, how, { ...plainView(image), orientation });
          expect(largestDifference(turned.data, resizeAndCrop(upright, how).data)).toBeLessThanOrEqual(1);
        }
      }
    }
  });

  test("a 4 MP photo is turned after shrinking", async () => {
    const large = gradient(240, 180).resize(2401, 1803, { kernel: "cubic" });
    const jpeg = await oriented(large, orientation, true);
    const { tensor, decode } = await imageToTensor(jpeg, preprocessing, options);
    expect(decode.eighths).toBe(1);
    const upright = await raw(sharp(jpeg).autoOrient());
    expect(largestDifference(tensor, preprocess(upright, preprocessing))).toBeLessThanOrEqual(4);
  });
});

describe("an invalid Exif segment leaves the image upright", () => {
  const tiff = (type: number, count: number, value: number) =>
    Uint8Array.of(
      ...[0x4d, 0x4d, 0, 42, 0, 0, 0, 8, 0, 1],
      ...[1, 0x12, 0, type, 0, 0, 0, count, 0, value, 0, 0, 0, 0, 0, 0],
    );

  test("the tag itself is read", () => {
    expect(exifOrientation(tiff(3, 1, 6))).toBe(6);
  });

  test.each([
    ["no segment", undefined],
    ["an empty segment", new Uint8Array(0)],
    ["orientation 0", tiff(3, 1, 0)],
    ["orientation 9", tiff(3, 1, 9)],
    ["two values", tiff(3, 2, 6)],
    ["text", tiff(2, 4, 0x36)],
    ["truncated", tiff(3, 1, 6).subarray(0, 15)],
    ["not a TIFF", new TextEncoder().encode("this is no TIFF at all")],
  ])("%s", (_, bytes) => {
    expect(exifOrientation(bytes)).toBe(1);
  });

  test("any bytes give an orientation without an exception", () => {
    const bytes = fc.uint8Array({ maxLength: 200 });
    fc.assert(
      fc.property(bytes, fc.boolean(), (tail, little) => {
        const head = little ? [0x49, 0x49, 42, 0, 8, 0, 0, 0] : [0x4d, 0x4d, 0, 42, 0, 0, 0, 8];
        expect(orientations).toContain(exifOrientation(Uint8Array.from([...head, ...tail])));
      }),
      { numRuns: 500 },
    );
  });

  test("thousands of tags that each claim the whole segment need little memory", () => {
    const bytes = new Uint8Array(65_000);
    const view = new DataView(bytes.buffer);
    bytes.set([0x4d, 0x4d, 0, 42, 0, 0, 0, 8]);
    view.setUint16(8, 5400);
    for (let at = 10; at + 12 <= bytes.length; at += 12) {
      view.setUint16(at, 0x112);
      view.setUint16(at + 2, 2);
      view.setUint32(at + 4, 64_000);
      view.setUint32(at + 8, 8);
    }
    const before = process.memoryUsage().rss;
    expect(exifOrientation(bytes)).toBe(1);
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 2 ** 20);
  });
});

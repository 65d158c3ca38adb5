/** The encoder of thumbnails, compared with libjpeg-turbo (sharp) and with the Worker's own decoder. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { decodeJpeg } from "../../src/image/jpeg/decode.ts";
import { encodeJpeg } from "../../src/image/jpeg/encode.ts";
import { type RgbImage, RowCollector } from "../../src/image/rgb-image.ts";
import { decodeLimits } from "../../src/limits.ts";

const images = path.join(import.meta.dirname, "..", "..", "examples", "images");

async function photo(name: string, side = 256): Promise<RgbImage> {
  const resized = sharp(await readFile(path.join(images, `${name}.jpg`))).resize(side, side, {
    fit: "inside",
  });
  const { data, info } = await resized.removeAlpha().raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data: new Uint8Array(data) };
}

function noise(width: number, height: number): RgbImage {
  let state = 1;
  const data = Uint8Array.from({ length: 3 * width * height }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
  return { width, height, data };
}

async function decoded(jpeg: Uint8Array): Promise<RgbImage> {
  const { data, info } = await sharp(jpeg).raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data };
}

/** Peak signal-to-noise ratio in dB, at most 99. */
function psnr(a: RgbImage, b: RgbImage): number {
  expect([b.width, b.height]).toEqual([a.width, a.height]);
  const squares = Array.from(a.data, (value, i) => (value - b.data[i]!) ** 2).reduce((x, y) => x + y, 0);
  return Math.min(99, 10 * Math.log10(255 ** 2 / (squares / a.data.length)));
}

/** Encodes as libjpeg-turbo does with the same tables of quantisation, and no chroma subsampling. */
async function reference({ width, height, data }: RgbImage, quality: number): Promise<Buffer> {
  return sharp(data, { raw: { width, height, channels: 3 } })
    .jpeg({ quality, chromaSubsampling: "4:4:4", optimiseCoding: false })
    .toBuffer();
}

describe("encodeJpeg", () => {
  test.each(["teapot", "jellyfish", "ladybug"])(
    "writes %s as well as libjpeg-turbo, in a tenth more bytes at most",
    async (name) => {
      const image = await photo(name);
      for (const quality of [50, 80, 95]) {
        const ours = encodeJpeg(image, quality);
        const theirs = await reference(image, quality);
        expect(psnr(image, await decoded(ours))).toBeGreaterThan(psnr(image, await decoded(theirs)) - 0.2);
        expect(ours.length).toBeLessThan(1.1 * theirs.length);
      }
    },
  );

  test.each([
    [1, 1],
    [7, 9],
    [17, 31],
    [8, 8],
    [1, 300],
    [512, 3],
  ])("writes %i x %i pixels of noise", async (width, height) => {
    const image = noise(width, height);
    const ours = await decoded(encodeJpeg(image, 95));
    expect(psnr(image, ours)).toBeGreaterThan(psnr(image, await decoded(await reference(image, 95))) - 0.5);
  });

  test("is read by the Worker's own decoder", async () => {
    const image = await photo("teapot");
    const { sink } = await decodeJpeg(
      encodeJpeg(image, 90),
      (full) => full,
      decodeLimits,
      ({ size }) => new RowCollector(size),
    );
    expect(psnr(image, sink.image)).toBeGreaterThan(30);
  });

  test("keeps extreme colours at the highest quality", async () => {
    const colours = [
      [255, 0, 0],
      [0, 255, 0],
      [0, 0, 255],
      [255, 255, 255],
      [0, 0, 0],
    ].flatMap((rgb) => Array.from({ length: 64 }, () => rgb).flat());
    const image = { width: 8, height: 40, data: Uint8Array.from(colours) };
    expect(psnr(image, await decoded(encodeJpeg(image, 100)))).toBeGreaterThan(45);
  });

  test("refuses more pixels than it may hold", () => {
    expect(() => encodeJpeg({ width: 2000, height: 2000, data: new Uint8Array(0) }, 80)).toThrow(
      /4000000 pixels/,
    );
  });
});

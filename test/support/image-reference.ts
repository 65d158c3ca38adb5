/** Decodes with sharp (libvips, libjpeg-turbo), the reference for the decoder. */
import sharp, { type Sharp } from "sharp";
import type { RgbImage } from "../../src/image/rgb-image.ts";

/** Decodes to interleaved RGB. Grey becomes three equal channels. Colour profiles are not applied. */
export async function sharpRgb(jpeg: Uint8Array): Promise<Uint8Array> {
  const raw = await sharp(jpeg, { ignoreIcc: true })
    .toColourspace("srgb")
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  if (raw.info.channels === 3) return new Uint8Array(raw.data);
  return Uint8Array.from({ length: raw.data.length * 3 }, (_, i) => raw.data[Math.floor(i / 3)]!);
}

/** Decodes to interleaved CMYK, where 255 is full ink: libvips inverts the file's inverted values. */
export async function sharpCmyk(jpeg: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await sharp(jpeg).pipelineColourspace("cmyk").toColourspace("cmyk").raw().toBuffer());
}

/** Converts CMYK to RGB without a colour profile, like Pillow. */
export function naiveRgb(cmyk: Uint8Array): Uint8Array {
  const pixels = cmyk.length / 4;
  return Uint8Array.from({ length: pixels * 3 }, (_, i) => {
    const pixel = Math.floor(i / 3) * 4;
    return Math.round(((255 - cmyk[pixel + (i % 3)]!) * (255 - cmyk[pixel + 3]!)) / 255);
  });
}

/** Returns the rounded mean of each complete 8x8 block, as interleaved RGB. */
export function blockMeans({ width, height, data }: RgbImage): Uint8Array {
  const perLine = width >> 3;
  const means = new Uint8Array(perLine * (height >> 3) * 3);
  for (let i = 0; i < means.length; i++) {
    const block = Math.floor(i / 3);
    const left = (block % perLine) * 8;
    const top = Math.floor(block / perLine) * 8;
    let sum = 0;
    for (let y = top; y < top + 8; y++) {
      for (let x = left; x < left + 8; x++) sum += data[(y * width + x) * 3 + (i % 3)]!;
    }
    means[i] = Math.round(sum / 64);
  }
  return means;
}

/** Returns the largest difference over all values, or 256 for different lengths. */
export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return 256;
  let largest = 0;
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs(a[i]! - b[i]!));
  return largest;
}

/** Draws soft gradients in all channels without flat parts, which an encoder hardly changes. */
export function gradient(width: number, height: number): Sharp {
  const data = Buffer.from(
    Array.from({ length: width * height * 3 }, (_, i) => {
      const pixel = Math.floor(i / 3);
      const x = pixel % width;
      const y = Math.floor(pixel / width);
      return Math.round(128 + 100 * Math.sin((x + 2 * y) / 80 + (i % 3) * 2) * Math.cos((y - x) / 120));
    }),
  );
  return sharp(data, { raw: { width, height, channels: 3 } });
}

/** Decodes WebP with this decoder and with sharp (libwebp), its reference. */
import sharp from "sharp";
import type { RgbImage } from "../../src/image/rgb-image.ts";
import { type DecodedWebp, type DecodeLimits, decodeWebp } from "../../src/image/webp/decode.ts";
import { decodeLimits } from "../../src/limits.ts";

/** Decodes the whole image. */
export function decodeWhole(
  webp: Uint8Array,
  limits: DecodeLimits = decodeLimits,
): DecodedWebp & { readonly image: RgbImage } {
  return decodeWebp(webp, limits, (rows, frame) => {
    const { width, height } = rows;
    const data = new Uint8ClampedArray(width * height * 3);
    for (let y = 0; y < height; y++) data.set(rows.row(y), y * width * 3);
    return { ...frame, image: { width, height, data } };
  });
}

/**
 * Decodes the image, or the first frame of an animation, with libwebp, and composites it over white, rounded to the
 * nearest level.
 */
export async function sharpOverWhite(webp: Uint8Array): Promise<RgbImage> {
  const pipeline = sharp(webp, { page: 0, ignoreIcc: true }).raw();
  const { data, info } = await pipeline.toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  const rgb = Uint8ClampedArray.from({ length: width * height * 3 }, (_, i) => {
    const pixel = Math.floor(i / 3) * channels;
    const opacity = channels === 4 ? data[pixel + 3]! : 255;
    return Math.round((data[pixel + (i % 3)]! * opacity + 255 * (255 - opacity)) / 255);
  });
  return { width, height, data: rgb };
}

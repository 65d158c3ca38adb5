/** Decodes WebP with this decoder and with sharp (libwebp), its reference. */
import sharp from "sharp";
import {
  type DecodedFrame,
  type DecodeLimits,
  type RgbImage,
  RowCollector,
  type RowSink,
} from "../../src/image/rgb-image.ts";
import { decodeWebp } from "../../src/image/webp/decode.ts";
import { decodeLimits } from "../../src/limits.ts";

/** Decodes the whole image. */
export function decodeWhole(
  webp: Uint8Array,
  limits: DecodeLimits = decodeLimits,
): DecodedFrame & { readonly image: RgbImage } {
  const { frame, sink } = decodeWebp(webp, limits, ({ size }) => new RowCollector(size));
  return { ...frame, image: sink.image };
}

/** Takes copies of the rows [firstRow, endRow). */
export class RowWindow implements RowSink {
  readonly firstRow: number;
  readonly endRow: number;
  readonly rows: (Uint8Array | Uint8ClampedArray)[] = [];

  constructor(firstRow: number, endRow: number) {
    this.firstRow = firstRow;
    this.endRow = endRow;
  }

  push(row: Uint8Array | Uint8ClampedArray): void {
    this.rows.push(row.slice());
  }
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

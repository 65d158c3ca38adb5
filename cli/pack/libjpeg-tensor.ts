/** The pixels that libjpeg-turbo decodes, as a reference for the Worker's own decoder. */
import sharp from "sharp";
import { exifOrientation } from "../../src/image/exif.ts";
import { parseJpegHeader } from "../../src/image/jpeg-header.ts";
import { preprocess } from "../../src/image/preprocess.ts";
import { plainView } from "../../src/image/resize.ts";
import type { Preprocessing } from "../../src/model/manifest.ts";

/**
 * A JPEG decoded at full size by sharp, without shrink-on-load and without applying its colour profile, then preprocessed
 * by the code that serves.
 * @returns float32 [3, crop, crop]
 */
export async function libjpegTensor(jpeg: Uint8Array, preprocessing: Preprocessing): Promise<Float32Array> {
  const decoded = sharp(jpeg, { ignoreIcc: true }).toColourspace("srgb").removeAlpha().raw();
  const { data, info } = await decoded.toBuffer({ resolveWithObject: true });
  const image = { width: info.width, height: info.height, data: asRgb(data, info.channels) };
  const orientation = exifOrientation(parseJpegHeader(jpeg).exif);
  return preprocess(image, preprocessing, undefined, { ...plainView(image), orientation });
}

function asRgb(data: Uint8Array, channels: number): Uint8Array {
  if (channels === 3) return data;
  return Uint8Array.from({ length: data.length * 3 }, (_, i) => data[Math.floor(i / 3)]!);
}

/** The photographs as PNG and WebP, to compare decoders of these formats. */
import path from "node:path";
import sharp, { type Sharp } from "sharp";
import { madeOnce } from "./cache-folder.ts";
import { fourToThree, photo } from "./photos.ts";

const encoders = {
  PNG: { format: "png", encode: (image: Sharp) => image.png() },
  "WebP, lossy": { format: "webp", encode: (image: Sharp) => image.webp({ quality: 80, effort: 1 }) },
  "WebP, lossless": {
    format: "webp",
    encode: (image: Sharp) => image.webp({ lossless: true, effort: 0 }),
  },
} as const;

/** The kinds of files. */
export const formatKinds = ["PNG", "WebP, lossy", "WebP, lossless"] as const;
/** One of {@link formatKinds}. */
export type FormatKind = (typeof formatKinds)[number];

/** Encodes a photograph of this size at the first use, in up to half a minute for 50 megapixels. */
export async function formatFile(kind: FormatKind, megapixels: number) {
  const size = fourToThree(megapixels);
  const source = await photo(`${megapixels}mp`, { ...size, progressive: false, scene: "teapot" });
  const { format, encode } = encoders[kind];
  const base = `${path.basename(source.file, ".jpg")}-${kind.replace(", ", "-")}.${format}`;
  const file = await madeOnce(path.join(path.dirname(source.file), base), async (temporary) => {
    await encode(sharp(source.file, { limitInputPixels: false })).toFile(temporary);
  });
  return { file, format };
}

/** Large synthetic photographs: an enlarged example picture, with noise so that the file is as large as a camera's. */
import path from "node:path";
import sharp from "sharp";

export interface PhotoOptions {
  readonly width: number;
  readonly height: number;
  readonly progressive?: boolean;
  /** Gives the file another hash. */
  readonly seed: number;
}

const examples = path.join(import.meta.dirname, "..", "..", "examples", "images");
const names = ["teapot", "espresso", "jellyfish", "ladybug"];

export async function makePhoto({
  width,
  height,
  progressive = false,
  seed,
}: PhotoOptions): Promise<Uint8Array> {
  const picture = path.join(examples, `${names[seed % names.length]}.jpg`);
  const grain = sharp({
    create: {
      width: 256,
      height: 256,
      channels: 3,
      background: "black",
      noise: { type: "gaussian", mean: 128, sigma: 40 },
    },
  });
  const tile = await grain.png().toBuffer();
  const enlarged = await sharp(picture).resize(width, height, { fit: "cover" }).toBuffer();
  const photo = await sharp(enlarged)
    .composite([{ input: tile, tile: true, blend: "soft-light" }])
    .jpeg({ quality: 88, progressive })
    .toBuffer();
  return new Uint8Array(photo);
}

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

/** Makes photographs as phones take them: 12 and 24 megapixels, two of them progressive, each over 2 MiB. */
export function phonePhotos(): Promise<Uint8Array[]> {
  const sizes = [
    { width: 4032, height: 3024 },
    { width: 6000, height: 4000 },
  ];
  const seeds = [0, 1, 2, 3];
  return Promise.all(seeds.map((seed) => makePhoto({ ...sizes[seed % 2]!, progressive: seed < 2, seed })));
}

/** Returns the same picture as a file with another hash: decoders ignore bytes after its end. */
export function distinct(photo: Uint8Array, n: number): Uint8Array {
  const copy = new Uint8Array(photo.length + 4);
  copy.set(photo);
  new DataView(copy.buffer).setUint32(photo.length, n);
  return copy;
}

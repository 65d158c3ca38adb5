/** Makes test photos: example pictures, enlarged, with grain that gives them as many bytes as photographs. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import sharp from "sharp";
import { projectFolder } from "../../cli/store/platform-config.ts";
import { cacheFolder, madeOnce } from "./cache-folder.ts";
import { textureTile } from "./texture.ts";

/** What to draw. */
export interface PhotoSpec {
  readonly width: number;
  readonly height: number;
  readonly progressive: boolean;
  /** Name of an example picture. */
  readonly scene: string;
}

/** A photo, as the results describe it. */
export interface Picture {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly progressive: boolean;
  readonly bytes: number;
}

/** A photo and its file. */
export interface Photo extends Picture {
  readonly file: string;
}

/** With 4:2:0, this quality gives 0.2 to 0.4 bytes per pixel, like a phone's camera. */
const quality = 88;
const tileSide = 1024;
/** The example pictures. */
export const scenes = ["ship", "horse", "truck", "frog", "automobile", "deer", "bird", "airplane"] as const;

/** Returns the size of a 4:3 image. */
export function fourToThree(megapixels: number): { width: number; height: number } {
  const width = 4 * Math.round(Math.sqrt((megapixels * 1e6) / 12));
  return { width, height: (width / 4) * 3 };
}

/** Draws the photo at the first use, in about a second per ten megapixels. */
export async function photo(name: string, spec: PhotoSpec): Promise<Photo> {
  const folder = await cacheFolder("photos", ["bench/pictures", "examples/images"]);
  const { width, height, progressive, scene } = spec;
  const base = `${scene}-${width}x${height}${progressive ? "-progressive" : ""}.jpg`;
  const file = await madeOnce(path.join(folder, base), async (temporary) => {
    const picture = path.join(projectFolder, "examples", "images", `${scene}.jpg`);
    const tile = await textureTile(tileSide);
    // In one pass, sharp would resize the grain together with the picture.
    const enlarged = await sharp(picture)
      .resize(width, height, { fit: "cover" })
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    const grain = await sharp(tile, { raw: { width: tileSide, height: tileSide, channels: 3 } })
      .extract({ left: 0, top: 0, width: Math.min(tileSide, width), height: Math.min(tileSide, height) })
      .png()
      .toBuffer();
    await sharp(enlarged.data, { raw: { width, height, channels: 3 }, limitInputPixels: false })
      .composite([{ input: grain, tile: true, blend: "overlay" }])
      .removeAlpha()
      .jpeg({ quality, progressive, chromaSubsampling: "4:2:0" })
      .toFile(temporary);
  });
  const { length: bytes } = await readFile(file);
  return { name, width, height, progressive, bytes, file };
}

/** Reads the JPEG file of a photo. */
export async function readPhoto({ file }: Photo): Promise<Uint8Array> {
  return new Uint8Array(await readFile(file));
}

/** Returns a different file with the same picture: appends random bytes, which decoders ignore, so that no cache has it. */
export function neverSeen(jpeg: Uint8Array): Uint8Array<ArrayBuffer> {
  const fresh = new Uint8Array(jpeg.length + 16);
  fresh.set(jpeg);
  crypto.getRandomValues(fresh.subarray(jpeg.length));
  return fresh;
}

/** The JPEGs that are sent: the example pictures enlarged, with grain that makes them as heavy as photographs. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import sharp from "sharp";
import { projectFolder } from "../store/platform-config.ts";
import { cacheFolder, madeOnce } from "./cache-folder.ts";
import { textureTile } from "./texture.ts";

export interface PhotoSpec {
  readonly width: number;
  readonly height: number;
  readonly progressive: boolean;
  /** Name of an example picture. */
  readonly scene: string;
}

export interface Picture {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly progressive: boolean;
  readonly bytes: number;
}

export interface Photo extends Picture {
  readonly file: string;
}

/** As phones do: 4:2:0, and at this quality 0.2 to 0.4 bytes a pixel. */
const quality = 88;
const tileSide = 1024;
export const scenes = ["ship", "horse", "truck", "frog", "automobile", "deer", "bird", "airplane"] as const;

/** 4:3, as phones have it. */
export function fourToThree(megapixels: number): { width: number; height: number } {
  const width = 4 * Math.round(Math.sqrt((megapixels * 1e6) / 12));
  return { width, height: (width / 4) * 3 };
}

/** Drawn at the first use, a second or so for each ten megapixels. */
export async function photo(name: string, spec: PhotoSpec): Promise<Photo> {
  const folder = await cacheFolder("photos", ["tools/pictures", "examples/images"]);
  const { width, height, progressive, scene } = spec;
  const base = `${scene}-${width}x${height}${progressive ? "-progressive" : ""}.jpg`;
  const file = await madeOnce(path.join(folder, base), async (temporary) => {
    const picture = path.join(projectFolder, "examples", "images", `${scene}.jpg`);
    const tile = await textureTile(tileSide);
    // Composed in one pass and encoded in another: sharp would else resize the tile's grain with the picture.
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

export async function readPhoto({ file }: Photo): Promise<Uint8Array> {
  return new Uint8Array(await readFile(file));
}

/** The same picture as another file: bytes after the end of the image are ignored, so no cache knows it. */
export function neverSeen(jpeg: Uint8Array): Uint8Array<ArrayBuffer> {
  const fresh = new Uint8Array(jpeg.length + 16);
  fresh.set(jpeg);
  crypto.getRandomValues(fresh.subarray(jpeg.length));
  return fresh;
}

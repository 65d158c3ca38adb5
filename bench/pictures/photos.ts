/** Makes test photos: example pictures, enlarged, with grain that gives them as many bytes as photographs. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import sharp from "sharp";
import { Random } from "../../cli/pack/random.ts";
import { projectFolder } from "../../cli/store/project.ts";
import { cacheFolder, madeOnce } from "./cache-folder.ts";

/** What to draw. */
export interface PhotoSpec {
  readonly width: number;
  readonly height: number;
  readonly progressive: boolean;
  /** Name of an example picture. */
  readonly scene: string;
}

/** A photo and its file. */
export type Photo = Awaited<ReturnType<typeof photo>>;

/** With 4:2:0, this quality gives 0.2 to 0.4 bytes per pixel, like a phone's camera. */
const quality = 88;
/** Pixels of a side of the tile of grain, a power of two. */
const tileSide = 1024;
const octaves = 5;
/** Standard deviation of the finest octave of the grain, in levels of 0 to 255. */
const finestDeviation = 7;
/** Strength of an octave over the next finer one: the spectra of photographs fall with frequency. */
const octaveGain = 1.3;
/** The example pictures. */
export const scenes = ["teapot", "jellyfish", "espresso", "ladybug"] as const;

/** Returns the size of a 4:3 image. */
export function fourToThree(megapixels: number): { width: number; height: number } {
  const width = 4 * Math.round(Math.sqrt((megapixels * 1e6) / 12));
  return { width, height: (width / 4) * 3 };
}

/** Draws the photo at the first use, in about a second per ten megapixels. */
export async function photo(name: string, spec: PhotoSpec) {
  const folder = await cacheFolder("photos", ["bench/pictures", "examples/images"]);
  const { width, height, progressive, scene } = spec;
  const base = `${scene}-${width}x${height}${progressive ? "-progressive" : ""}.jpg`;
  const file = await madeOnce(path.join(folder, base), async (temporary) => {
    const picture = path.join(projectFolder, "examples", "images", `${scene}.jpg`);
    // In one pass, sharp would resize the grain together with the picture.
    const enlarged = await sharp(picture)
      .resize(width, height, { fit: "cover" })
      .removeAlpha()
      .raw()
      .toBuffer();
    const grain = await sharp(await grainTile(), {
      raw: { width: tileSide, height: tileSide, channels: 3 },
    })
      .extract({ left: 0, top: 0, width: Math.min(tileSide, width), height: Math.min(tileSide, height) })
      .png()
      .toBuffer();
    await sharp(enlarged, { raw: { width, height, channels: 3 }, limitInputPixels: false })
      .composite([{ input: grain, tile: true, blend: "overlay" }])
      .removeAlpha()
      .jpeg({ quality, progressive, chromaSubsampling: "4:2:0" })
      .toFile(temporary);
  });
  const { length: bytes } = await readFile(file);
  return { ...spec, name, bytes, file };
}

/** Reads the JPEG file of a photo. */
export async function readPhoto({ file }: Photo): Promise<Uint8Array> {
  return new Uint8Array(await readFile(file));
}

/**
 * Returns a different file with the same picture: appends each salt as four bytes, which decoders ignore, so that no
 * cache has it.
 */
export function salted(jpeg: Uint8Array, ...salts: readonly number[]): Uint8Array<ArrayBuffer> {
  const file = new Uint8Array(jpeg.length + 4 * salts.length);
  file.set(jpeg);
  const tail = new DataView(file.buffer, jpeg.length);
  for (const [i, salt] of salts.entries()) tail.setUint32(4 * i, salt);
  return file;
}

/** Returns a file with the same picture that was never sent before. */
export function neverSeen(jpeg: Uint8Array): Uint8Array<ArrayBuffer> {
  return salted(jpeg, ...crypto.getRandomValues(new Uint32Array(4)));
}

/**
 * Draws the RGB pixels of a square tile of grain at every scale, around mid-grey. With it, a drawn scene has about as
 * many bytes per pixel as a photograph. The tile is the same on every machine.
 */
async function grainTile(): Promise<Buffer> {
  const random = new Random(12);
  const sum = new Float32Array(tileSide * tileSide);
  for (let octave = 0; octave < octaves; octave++) {
    const coarse = tileSide >> octave;
    // A fixed contrast uses the range of a byte well. The sum scales it.
    const noise = Uint8ClampedArray.from({ length: coarse * coarse }, () => 128 + 40 * random.normal());
    const enlarged = await sharp(noise, { raw: { width: coarse, height: coarse, channels: 1 } })
      .resize(tileSide, tileSide, { kernel: "cubic" })
      .extractChannel(0)
      .raw()
      .toBuffer();
    const gain = (finestDeviation * octaveGain ** octave) / 40;
    for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! + gain * (enlarged[i]! - 128);
  }
  const levels = Uint8ClampedArray.from(sum, (value) => 128 + value);
  return Buffer.from(Uint8Array.from({ length: 3 * levels.length }, (_, i) => levels[Math.floor(i / 3)]!));
}

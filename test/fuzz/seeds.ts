/** Valid files of every kind, drawn by code, from which hostile files are made. */
import sharp, { type Sharp } from "sharp";
import { componentsOf, type JpegSpec, segment, writeJpeg } from "../../bench/pictures/jpeg-writer.ts";
import { ascii, concat, patchedFrame } from "./segments.ts";

/** A valid file. */
export interface SeedFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Whether it has so many pixels that it is decoded at a reduced scale. */
  readonly large: boolean;
}

const small = { width: 40, height: 24 };
const full = componentsOf([1, 1], [1, 1], [1, 1]);
const scanPerComponent = [[0], [1], [2]];

/** Structures that sharp does not write. */
const written: Readonly<Record<string, JpegSpec>> = {
  "4:2:2": { ...small, components: componentsOf([2, 1], [1, 1], [1, 1]) },
  "4:1:1": { ...small, components: componentsOf([4, 1], [1, 1], [1, 1]) },
  "4:4:0": { ...small, components: componentsOf([1, 2], [1, 1], [1, 1]) },
  RGB: { ...small, components: full, adobeTransform: 0 },
  CMYK: { ...small, components: componentsOf([1, 1], [1, 1], [1, 1], [1, 1]), adobeTransform: 0 },
  YCCK: { ...small, components: componentsOf([2, 2], [1, 1], [1, 1], [2, 2]), adobeTransform: 2 },
  "restart markers": { ...small, components: full, restartInterval: 2 },
  "restart markers, a scan per component": {
    ...small,
    components: componentsOf([2, 2], [1, 1], [1, 1]),
    scans: scanPerComponent,
    restartInterval: 4,
  },
  "tables redefined": { ...small, components: full, scans: scanPerComponent, redefineTables: true },
};

/** Draws soft waves: few bytes, and every coefficient in use somewhere. */
function waves(width: number, height: number): Sharp {
  const data = new Uint8Array(width * height * 3);
  for (let i = 0, at = 0; i < width * height; i++) {
    const x = i % width;
    const y = (i - x) / width;
    for (let c = 0; c < 3; c++)
      data[at++] = 128 + 100 * Math.sin((x + 2 * y) / 9 + c * 2) * Math.cos((y - x) / 13);
  }
  return sharp(data, { raw: { width, height, channels: 3 } });
}

async function jpegOf(pipeline: Sharp): Promise<Uint8Array> {
  return new Uint8Array(await pipeline.toBuffer());
}

/** Draws one flat colour with a noisy stripe at its top, so that large files have few bytes. */
async function flat(width: number, height: number, progressive: boolean): Promise<Uint8Array> {
  const background = { r: 90, g: 140, b: 60 };
  const stripe = await waves(256, 64).png().toBuffer();
  const canvas = sharp({ create: { width, height, channels: 3, background } });
  return jpegOf(canvas.composite([{ input: stripe, left: 0, top: 0 }]).jpeg({ progressive, quality: 60 }));
}

/** Returns small files of every kind: first valid ones, then kinds that are refused. */
export async function smallSeeds(): Promise<SeedFile[]> {
  const image = () => waves(40, 24);
  const baseline = await jpegOf(image().jpeg({ chromaSubsampling: "4:2:0" }));
  const oriented = await jpegOf(image().withMetadata({ orientation: 6 }).jpeg());
  const thumbnail = segment(0xe1, [...ascii("Exif\0\0"), ...baseline]);
  return seedFiles(false, {
    "baseline 4:2:0": baseline,
    "baseline 4:4:4": await jpegOf(image().jpeg({ chromaSubsampling: "4:4:4" })),
    "progressive 4:2:0": await jpegOf(image().jpeg({ progressive: true, chromaSubsampling: "4:2:0" })),
    "progressive 4:4:4": await jpegOf(image().jpeg({ progressive: true, chromaSubsampling: "4:4:4" })),
    grey: await jpegOf(image().toColourspace("b-w").jpeg()),
    "progressive grey": await jpegOf(image().toColourspace("b-w").jpeg({ progressive: true })),
    "progressive CMYK": await jpegOf(image().toColourspace("cmyk").jpeg({ progressive: true })),
    "Exif orientation": oriented,
    "JPEG thumbnail": concat(baseline.subarray(0, 2), thumbnail, baseline.subarray(2)),
    ...Object.fromEntries(Object.entries(written).map(([name, spec]) => [name, writeJpeg(spec)])),
    "arithmetic-coded": patchedFrame(baseline, { marker: 0xc9 }),
    "12-bit": patchedFrame(baseline, { precision: 12 }),
  });
}

/** Returns files of many pixels and few bytes, which are decoded at a reduced scale. */
export async function largeSeeds(): Promise<SeedFile[]> {
  return seedFiles(true, {
    "large baseline": await flat(2000, 1500, false),
    "large progressive": await flat(2000, 1500, true),
    "24 megapixels, baseline": await flat(6000, 4000, false),
    "24 megapixels, progressive": await flat(6000, 4000, true),
  });
}

/** Returns all valid files. */
export async function allSeeds(): Promise<SeedFile[]> {
  return [...(await smallSeeds()), ...(await largeSeeds())];
}

function seedFiles(large: boolean, files: Readonly<Record<string, Uint8Array>>): SeedFile[] {
  return Object.entries(files).map(([name, bytes]) => ({ name, bytes, large }));
}

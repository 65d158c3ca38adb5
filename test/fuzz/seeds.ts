/** Valid files of every kind, drawn by code, from which hostile files are made. */
import sharp, { type Sharp } from "sharp";
import { componentsOf, type JpegSpec, segment, writeJpeg } from "../../bench/pictures/jpeg-writer.ts";
import { chunk, kindsOfPng, type PngSpec, writePng } from "../support/png-writer.ts";
import { ascii, concat, patchedFrame } from "./segments.ts";

/** A valid file. */
export interface SeedFile {
  readonly name: string;
  readonly format: "jpeg" | "png";
  readonly bytes: Uint8Array;
  /** Whether it has so many pixels that a JPEG is decoded at a reduced scale. */
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

async function bytesOf(pipeline: Sharp): Promise<Uint8Array> {
  return new Uint8Array(await pipeline.toBuffer());
}

/** Draws one flat colour with a noisy stripe at its top, so that large files have few bytes. */
async function flat(width: number, height: number): Promise<Sharp> {
  const background = { r: 90, g: 140, b: 60 };
  const stripe = await waves(256, 64).png().toBuffer();
  const canvas = sharp({ create: { width, height, channels: 3, background } });
  return canvas.composite([{ input: stripe, left: 0, top: 0 }]);
}

/** Returns small JPEGs of every kind: first valid ones, then kinds that are refused. */
export async function smallJpegs(): Promise<SeedFile[]> {
  const image = () => waves(40, 24);
  const baseline = await bytesOf(image().jpeg({ chromaSubsampling: "4:2:0" }));
  const oriented = await bytesOf(image().withMetadata({ orientation: 6 }).jpeg());
  const thumbnail = segment(0xe1, [...ascii("Exif\0\0"), ...baseline]);
  return seedFiles("jpeg", false, {
    "baseline 4:2:0": baseline,
    "baseline 4:4:4": await bytesOf(image().jpeg({ chromaSubsampling: "4:4:4" })),
    "progressive 4:2:0": await bytesOf(image().jpeg({ progressive: true, chromaSubsampling: "4:2:0" })),
    "progressive 4:4:4": await bytesOf(image().jpeg({ progressive: true, chromaSubsampling: "4:4:4" })),
    grey: await bytesOf(image().toColourspace("b-w").jpeg()),
    "progressive grey": await bytesOf(image().toColourspace("b-w").jpeg({ progressive: true })),
    "progressive CMYK": await bytesOf(image().toColourspace("cmyk").jpeg({ progressive: true })),
    "Exif orientation": oriented,
    "JPEG thumbnail": concat(baseline.subarray(0, 2), thumbnail, baseline.subarray(2)),
    ...Object.fromEntries(Object.entries(written).map(([name, spec]) => [name, writeJpeg(spec)])),
    "arithmetic-coded": patchedFrame(baseline, { marker: 0xc9 }),
    "12-bit": patchedFrame(baseline, { precision: 12 }),
  });
}

/** Returns small PNGs of every kind. */
export function smallPngs(): SeedFile[] {
  const specs: Record<string, PngSpec> = {};
  for (const { name, colourType, bitDepth } of kindsOfPng) {
    const spec = { ...small, colourType, bitDepth };
    specs[`PNG, ${name}, ${bitDepth} bits`] = spec;
    specs[`PNG, ${name}, ${bitDepth} bits, interlaced`] = { ...spec, interlaced: true };
  }
  const rgb = { ...small, colourType: 2, bitDepth: 8 };
  const exif = [...ascii("II*\0"), 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0];
  const text = [chunk("gAMA", [0, 0, 0xb1, 0x8f]), chunk("sRGB", [0]), chunk("tEXt", ascii("Title\0noise"))];
  specs["PNG, transparent grey"] = { ...small, colourType: 0, bitDepth: 4, transparency: [0, 3] };
  specs["PNG, transparent colour"] = { ...rgb, transparency: [0, 1, 0, 2, 0, 3] };
  specs["PNG, transparent palette"] = { ...small, colourType: 3, bitDepth: 4, transparency: [0, 90, 200] };
  specs["PNG, many IDAT chunks"] = { ...rgb, splits: [0, 1, 2, 0, 3, 500, 100, 7] };
  specs["PNG, Exif orientation"] = { ...rgb, before: [chunk("eXIf", exif)] };
  specs["PNG, ancillary chunks"] = { ...rgb, before: text, after: text };
  const files = Object.entries(specs).map(([name, spec]) => [name, writePng(spec)] as const);
  return seedFiles("png", false, Object.fromEntries(files));
}

/** Returns small files of every kind and format. */
export async function smallSeeds(): Promise<SeedFile[]> {
  return [...(await smallJpegs()), ...smallPngs()];
}

/** Returns files of many pixels and few bytes. */
export async function largeSeeds(): Promise<SeedFile[]> {
  const [large, huge] = [await flat(2000, 1500), await flat(6000, 4000)];
  const jpeg = (picture: Sharp, progressive: boolean) =>
    bytesOf(picture.clone().jpeg({ progressive, quality: 60 }));
  const jpegs = {
    "large baseline": await jpeg(large, false),
    "large progressive": await jpeg(large, true),
    "24 megapixels, baseline": await jpeg(huge, false),
    "24 megapixels, progressive": await jpeg(huge, true),
  };
  const pngs = {
    "large PNG": await bytesOf(large.clone().png()),
    "24 megapixels, PNG": await bytesOf(huge.clone().png()),
  };
  return [...seedFiles("jpeg", true, jpegs), ...seedFiles("png", true, pngs)];
}

/** Returns all valid files. */
export async function allSeeds(): Promise<SeedFile[]> {
  return [...(await smallSeeds()), ...(await largeSeeds())];
}

function seedFiles(
  format: SeedFile["format"],
  large: boolean,
  files: Readonly<Record<string, Uint8Array>>,
): SeedFile[] {
  return Object.entries(files).map(([name, bytes]) => ({ name, format, bytes, large }));
}

/** Valid files of every kind, drawn by code, from which hostile files are made. */
import sharp, { type Sharp } from "sharp";
import { componentsOf, type JpegSpec, segment, writeJpeg } from "../../bench/pictures/jpeg-writer.ts";
import { type GifSpec, writeGif } from "../support/gif-writer.ts";
import { chunk, kindsOfPng, type PngSpec, writePng } from "../support/png-writer.ts";
import { randomVp8l, randomVp8Spec } from "../support/random-webp.ts";
import { writeVp8 } from "../support/vp8-writer.ts";
import { writeVp8l, writeVp8lStream } from "../support/vp8l-writer.ts";
import {
  animationFrame,
  animationHeader,
  Vp8xFlag,
  vp8x,
  chunk as webpChunk,
  webpFile,
} from "../support/webp-writer.ts";
import { seededChoices } from "./choices.ts";
import { ascii, concat, patchedFrame } from "./segments.ts";

/** The formats whose files are mutated. */
export const formats = ["jpeg", "png", "webp", "gif"] as const;
/** One of {@link formats}. */
export type Format = (typeof formats)[number];

/** A valid file. */
export interface SeedFile {
  readonly name: string;
  readonly format: Format;
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
function waves(width: number, height: number, channels: 3 | 4 = 3): Sharp {
  const data = new Uint8Array(width * height * channels);
  for (let i = 0, at = 0; i < width * height; i++) {
    const x = i % width;
    const y = (i - x) / width;
    for (let c = 0; c < channels; c++)
      data[at++] = 128 + 100 * Math.sin((x + 2 * y) / 9 + c * 2) * Math.cos((y - x) / 13);
  }
  return sharp(data, { raw: { width, height, channels } });
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

/** The Exif of an image that is to be turned. */
const exif = [...ascii("II*\0"), 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0];

/** Returns small PNGs of every kind. */
export function smallPngs(): SeedFile[] {
  const specs: Record<string, PngSpec> = {};
  for (const { name, colourType, bitDepth } of kindsOfPng) {
    const spec = { ...small, colourType, bitDepth };
    specs[`PNG, ${name}, ${bitDepth} bits`] = spec;
    specs[`PNG, ${name}, ${bitDepth} bits, interlaced`] = { ...spec, interlaced: true };
  }
  const rgb = { ...small, colourType: 2, bitDepth: 8 };
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

/** Returns small WebPs of every kind. */
export async function smallWebps(): Promise<SeedFile[]> {
  const [width, height] = [60, 40];
  const choices = seededChoices(5, 0);
  const picture = () => waves(width, height, 4);
  const { transforms, image } = randomVp8l(choices, width, height);
  const lossy = webpChunk("VP8 ", writeVp8(randomVp8Spec(choices, width, height), choices));
  const alpha = webpChunk("ALPH", [5, ...writeVp8lStream(transforms, image)]);
  const lossless = webpChunk("VP8L", writeVp8l(width, height, true, transforms, image));
  const place = { x: 2, y: 4, width, height };
  const animation = Vp8xFlag.animation | Vp8xFlag.alpha | Vp8xFlag.exif;
  return seedFiles("webp", false, {
    "WebP, lossy": await bytesOf(waves(width, height).webp({ quality: 50 })),
    "WebP, lossy with alpha": await bytesOf(picture().webp({ quality: 50 })),
    "WebP, lossless": await bytesOf(picture().webp({ lossless: true })),
    "WebP, palette": await bytesOf(
      sharp(await picture().png({ palette: true, colours: 4 }).toBuffer()).webp({ lossless: true }),
    ),
    "WebP, Exif orientation": await bytesOf(waves(width, height).withMetadata({ orientation: 6 }).webp()),
    "WebP, every part of VP8": webpFile(lossy),
    "WebP, every part of VP8L": webpFile(lossless),
    "WebP, every part of ALPH": webpFile(vp8x(width, height, Vp8xFlag.alpha), alpha, lossy),
    "WebP, animation": webpFile(
      ...[vp8x(64, 50, animation), animationHeader],
      ...[animationFrame(place, alpha, lossy), animationFrame(place, lossless), webpChunk("EXIF", exif)],
    ),
  });
}

/** Returns small GIFs of every kind. */
export function smallGifs(): SeedFile[] {
  const index = (x: number, y: number) => (x * 5 + y * 3 + ((x * y) >> 3)) & 15;
  const plain: GifSpec = { ...small, codeBits: 4, index };
  const specs: Record<string, GifSpec> = {
    GIF: plain,
    "GIF, 4 colours": { ...plain, codeBits: 2, index: (x, y) => (x + y) & 3 },
    "GIF, 256 colours": { ...plain, codeBits: 8, index: (x, y) => (x * 73 + y * 151) & 255 },
    "GIF, interlaced": { ...plain, interlaced: true },
    "GIF, transparent": { ...plain, transparent: 3 },
    "GIF, local colours": { ...plain, local: true },
    "GIF, frame smaller than the screen": { ...plain, screen: [60, 50], left: 7, top: 9 },
    "GIF, comment, tiny sub-blocks, clear codes": { ...plain, comment: true, blockBytes: 3, clearEvery: 40 },
    GIF87a: { ...plain, version: "87a" },
  };
  const files = Object.entries(specs).map(([name, spec]) => [name, writeGif(spec)] as const);
  return seedFiles("gif", false, Object.fromEntries(files));
}

/** Returns small files of every kind and format. */
export async function smallSeeds(): Promise<SeedFile[]> {
  return [...(await smallJpegs()), ...smallPngs(), ...(await smallWebps()), ...smallGifs()];
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
  const webps = {
    "large WebP, lossy": await bytesOf(large.clone().webp({ quality: 60 })),
    "large WebP, lossless": await bytesOf(large.clone().webp({ lossless: true, effort: 0 })),
  };
  const gifs = { "large GIF": await bytesOf(large.clone().gif({ effort: 1 })) };
  return [
    ...[...seedFiles("jpeg", true, jpegs), ...seedFiles("png", true, pngs)],
    ...[...seedFiles("webp", true, webps), ...seedFiles("gif", true, gifs)],
  ];
}

/** Returns all valid files of these formats. */
export async function seedsOf(chosen: readonly Format[]): Promise<SeedFile[]> {
  const seeds = [...(await smallSeeds()), ...(await largeSeeds())];
  return seeds.filter(({ format }) => chosen.includes(format));
}

function seedFiles(
  format: SeedFile["format"],
  large: boolean,
  files: Readonly<Record<string, Uint8Array>>,
): SeedFile[] {
  return Object.entries(files).map(([name, bytes]) => ({ name, format, bytes, large }));
}

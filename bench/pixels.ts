/** `npm run bench -- --pixels`: how far the pixels of two decoders are from libjpeg-turbo's, by subsampling. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { decode as decodeJpegJs } from "jpeg-js";
import sharp from "sharp";
import { projectFolder } from "../cli/store/project.ts";
import { decodeJpeg } from "../src/image/jpeg/decode.ts";
import { type RgbImage, RowCollector, type Size } from "../src/image/rgb-image.ts";
import { decodeLimits } from "../src/limits.ts";
import { type Table, table } from "./common/report.ts";
import { componentsOf, type Factors, writeJpeg } from "./pictures/jpeg-writer.ts";

/** Sampling factors of luma, where chroma has 1x1. Grey has no chroma. */
const lumaFactors: Readonly<Record<string, Factors>> = {
  grey: [1, 1],
  "4:4:4": [1, 1],
  "4:2:2": [2, 1],
  "4:2:0": [2, 2],
  "4:4:0": [1, 2],
  "4:1:1": [4, 1],
  "4:1:0": [4, 2],
};

/** Widths and heights: whole MCUs, and parts of them. */
const sizes = [
  [320, 240],
  [301, 203],
  [65, 47],
] as const;

const qualities = [30, 75, 95];

const decoders: Readonly<Record<string, (jpeg: Uint8Array) => RgbImage>> = {
  "jpeg-js": (jpeg) => decodeJpegJs(jpeg, { useTArray: true, formatAsRGBA: false }),
  ours(jpeg) {
    const targetOf = (fullSize: Size) => fullSize;
    return decodeJpeg(jpeg, targetOf, decodeLimits, ({ size }) => new RowCollector(size)).sink.image;
  },
};

/** Compares every value of every pixel, in levels of 255: of photographs from the examples, and of random blocks. */
export async function pixelTable(): Promise<Table> {
  const rows: (string | number)[][] = [];
  const photographs = await examplePhotographs();
  for (const chromaSubsampling of ["4:4:4", "4:2:0"]) {
    for (const progressive of [false, true]) {
      const files: Uint8Array[] = [];
      for (const photograph of photographs) {
        for (const quality of qualities) {
          const jpeg = sharp(photograph).jpeg({ quality, chromaSubsampling, progressive });
          files.push(new Uint8Array(await jpeg.toBuffer()));
        }
      }
      const what = `photographs, ${chromaSubsampling}, ${progressive ? "progressive" : "baseline"}`;
      rows.push(await differencesRow(what, files));
    }
  }
  for (const [name, luma] of Object.entries(lumaFactors)) {
    const components = name === "grey" ? componentsOf(luma) : componentsOf(luma, [1, 1], [1, 1]);
    const files = sizes.flatMap(([width, height]) =>
      [3, 40].map((roughness) => writeJpeg({ width, height, components, roughness })),
    );
    rows.push(await differencesRow(`patterns, ${name}`, files));
  }
  const head = Object.keys(decoders).flatMap((name) => [`${name}: mean`, "99th percentile", "largest"]);
  const title = "Difference from libjpeg-turbo's pixels, in levels of 0 to 255";
  return table(title, ["files", "count", ...head], rows);
}

async function examplePhotographs(): Promise<Uint8Array[]> {
  const names = ["teapot", "espresso", "ladybug", "jellyfish"];
  return Promise.all(
    names.map(async (name) => {
      const picture = await readFile(path.join(projectFolder, "examples", "images", `${name}.jpg`));
      return new Uint8Array(await sharp(picture).resize(501, 375, { fit: "cover" }).png().toBuffer());
    }),
  );
}

async function differencesRow(what: string, files: readonly Uint8Array[]): Promise<(string | number)[]> {
  const references = await Promise.all(files.map(libjpegPixels));
  const cells = Object.values(decoders).flatMap((decode) => {
    const differences = files.map((jpeg, i) =>
      Uint8Array.from(decode(jpeg).data, (value, at) => Math.abs(value - references[i]![at]!)),
    );
    const sorted = Buffer.concat(differences).sort();
    const mean = sorted.reduce((sum, difference) => sum + difference, 0) / sorted.length;
    return [mean.toFixed(2), sorted[Math.ceil(0.99 * sorted.length) - 1]!, sorted.at(-1)!];
  });
  return [what, files.length, ...cells];
}

async function libjpegPixels(jpeg: Uint8Array): Promise<Uint8Array> {
  const decoded = sharp(jpeg, { ignoreIcc: true }).raw();
  const { data, info } = await decoded.toBuffer({ resolveWithObject: true });
  if (info.channels === 3) return data;
  return Uint8Array.from({ length: data.length * 3 }, (_, i) => data[Math.floor(i / 3)]!);
}

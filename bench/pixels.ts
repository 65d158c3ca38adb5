/** `npm run bench -- --pixels`: how far the pixels of two decoders are from libjpeg-turbo's, by subsampling. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { decode as decodeJpegJs } from "jpeg-js";
import sharp from "sharp";
import { projectFolder } from "../cli/store/platform-config.ts";
import { decodeJpeg } from "../src/image/decode.ts";
import { collectRows, type RgbImage } from "../src/image/rgb-image.ts";
import { decodeLimits } from "../src/limits.ts";
import type { Table } from "./measure/table.ts";
import { writeJpeg } from "./pictures/jpeg-writer.ts";

/** Sampling factors of the components. */
const subsamplings: Readonly<Record<string, readonly (readonly [number, number])[]>> = {
  grey: [[1, 1]],
  "4:4:4": [
    [1, 1],
    [1, 1],
    [1, 1],
  ],
  "4:2:2": [
    [2, 1],
    [1, 1],
    [1, 1],
  ],
  "4:2:0": [
    [2, 2],
    [1, 1],
    [1, 1],
  ],
  "4:4:0": [
    [1, 2],
    [1, 1],
    [1, 1],
  ],
  "4:1:1": [
    [4, 1],
    [1, 1],
    [1, 1],
  ],
  "4:1:0": [
    [4, 2],
    [1, 1],
    [1, 1],
  ],
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
  ours: (jpeg) => decodeJpeg(jpeg, (fullSize) => fullSize, decodeLimits, collectRows),
};

/** Levels of 255, over every value of every pixel; a photograph is one of the examples, a pattern is random blocks. */
export async function pixelTable(): Promise<Table> {
  const rows: string[][] = [];
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
  for (const [name, factors] of Object.entries(subsamplings)) {
    const components = factors.map(([h, v], i) => ({ id: i + 1, h, v }));
    const files = sizes.flatMap(([width, height]) =>
      [3, 40].map((roughness) => writeJpeg({ width, height, components, roughness })),
    );
    rows.push(await differencesRow(`patterns, ${name}`, files));
  }
  const head = Object.keys(decoders).flatMap((name) => [`${name}: mean`, "99th percentile", "largest"]);
  return {
    title: "Difference from libjpeg-turbo's pixels, in levels of 0 to 255",
    head: ["files", "count", ...head],
    rows,
    right: [1, 2, 3, 4, 5, 6, 7],
  };
}

async function examplePhotographs(): Promise<Uint8Array[]> {
  const names = ["airplane", "bird", "frog", "horse", "truck"];
  return Promise.all(
    names.map(async (name) => {
      const picture = await readFile(path.join(projectFolder, "examples", "images", `${name}.jpg`));
      return new Uint8Array(await sharp(picture).resize(501, 375, { fit: "cover" }).png().toBuffer());
    }),
  );
}

async function differencesRow(what: string, files: readonly Uint8Array[]): Promise<string[]> {
  const cells: string[] = [];
  const references = await Promise.all(files.map(libjpegPixels));
  for (const decode of Object.values(decoders)) {
    // Of each difference, 0 to 255: how many values have it.
    const counts = new Float64Array(256);
    for (const [i, jpeg] of files.entries()) {
      const { data } = decode(jpeg);
      const reference = references[i]!;
      for (const [at, value] of data.entries()) counts[Math.abs(value - reference[at]!)]!++;
    }
    cells.push(...statistics(counts));
  }
  return [what, String(files.length), ...cells];
}

async function libjpegPixels(jpeg: Uint8Array): Promise<Uint8Array> {
  const decoded = sharp(jpeg, { ignoreIcc: true }).raw();
  const { data, info } = await decoded.toBuffer({ resolveWithObject: true });
  if (info.channels === 3) return data;
  return Uint8Array.from({ length: data.length * 3 }, (_, i) => data[Math.floor(i / 3)]!);
}

/** Mean, 99th percentile and largest difference. */
function statistics(counts: Float64Array): string[] {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const mean = counts.reduce((sum, count, level) => sum + count * level, 0) / total;
  let seen = 0;
  const percentile = counts.findIndex((count) => {
    seen += count;
    return seen >= 0.99 * total;
  });
  const largest = counts.findLastIndex((count) => count > 0);
  return [mean.toFixed(2), String(percentile), String(largest)];
}

/** A decode allocates exactly the memory that was computed before, and frees it. */
import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { writeJpeg } from "../../bench/pictures/jpeg-writer.ts";
import { JpegRows, decodeCostBytes as jpegCostBytes } from "../../src/image/jpeg/decode.ts";
import { parseJpegHeader } from "../../src/image/jpeg/header.ts";
import { checkJpeg } from "../../src/image/jpeg/scans.ts";
import { checkPng, parsePngHeader } from "../../src/image/png/chunks.ts";
import { decodeCostBytes, decodePng } from "../../src/image/png/decode.ts";
import type { DecodedFrame } from "../../src/image/rgb-image.ts";
import { decodeLimits } from "../../src/limits.ts";
import { flatPng } from "../fuzz/bombs.ts";
import { smallJpegs, smallPngs } from "../fuzz/seeds.ts";
import { allocationsOf } from "../support/allocations.ts";
import { buffering, withBufferingInflate } from "../support/buffering-inflate.ts";
import type { ChurnMemory } from "../support/decode-churn.ts";
import { kindsOfPng, writePng } from "../support/png-writer.ts";

const MiB = 2 ** 20;
const eighths = [8, 4, 2, 1] as const;
function decodeRows(rows: JpegRows): void {
  for (let y = 0; y < rows.height; y++) rows.row(y);
  rows.finish();
}

async function expectExact(bytes: Uint8Array): Promise<void> {
  const jpeg = checkJpeg(bytes, parseJpegHeader(bytes));
  for (const scale of eighths) {
    const { bytes: allocated } = await allocationsOf(() => decodeRows(new JpegRows(jpeg, scale)));
    expect(allocated, `${scale}/8`).toBe(jpegCostBytes(jpeg, scale));
  }
}

describe("a decode of a JPEG allocates exactly its computed cost", () => {
  test("files of every kind", async () => {
    for (const { name, bytes } of await smallJpegs()) {
      if (["arithmetic-coded", "12-bit"].includes(name)) continue;
      await expectExact(bytes);
    }
  });

  test("photographs of all processes, wide and tall", async () => {
    for (const [width, height] of [
      [501, 203],
      [100, 800],
      [800, 100],
    ] as const) {
      const create = { width, height, channels: 3, background: "red" } as const;
      const noise = { type: "gaussian", mean: 128, sigma: 30 } as const;
      const picture = sharp({ create: { ...create, noise } });
      for (const options of [{}, { progressive: true }, { mozjpeg: true }, { chromaSubsampling: "4:4:4" }]) {
        for (const space of ["srgb", "b-w", "cmyk"]) {
          await expectExact(
            new Uint8Array(await picture.clone().toColourspace(space).jpeg(options).toBuffer()),
          );
        }
      }
    }
  });

  test("every ratio of chroma, one scan per component", async () => {
    for (const [h, v] of [
      [4, 1],
      [1, 4],
      [2, 2],
      [3, 1],
      [4, 2],
    ] as const) {
      const components = [1, 2, 3].map((id) => ({ id, h: id === 1 ? h : 1, v: id === 1 ? v : 1 }));
      await expectExact(writeJpeg({ width: 501, height: 307, components, scans: [[0], [1], [2]] }));
    }
  });

  test("a progressive file costs no more than a baseline one, and height adds no cost", async () => {
    const cost = async (height: number, progressive: boolean) => {
      const create = { width: 1200, height, channels: 3, background: "teal" } as const;
      const bytes = new Uint8Array(await sharp({ create }).jpeg({ progressive }).toBuffer());
      return jpegCostBytes(checkJpeg(bytes, parseJpegHeader(bytes)), 8);
    };
    expect(await cost(800, true)).toBeLessThanOrEqual(await cost(800, false));
    expect(await cost(8000, true)).toBe(await cost(800, true));
  });
});

test("free() frees every array that grows with the JPEG", async () => {
  const components = [1, 2, 3].map((id) => ({ id, h: id === 1 ? 4 : 1, v: 1 }));
  const jpeg = writeJpeg({ width: 501, height: 307, components });
  const checked = checkJpeg(jpeg, parseJpegHeader(jpeg));
  for (const scale of eighths) {
    const { arrays } = await allocationsOf(() => {
      const rows = new JpegRows(checked, scale);
      decodeRows(rows);
      rows.free();
    });
    const kept = arrays.filter(({ buffer }) => buffer.byteLength > 0);
    const keptBytes = kept.reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
    // The Huffman tables: two for DC, two for AC.
    expect(keptBytes).toBeLessThan(20_000);
  }
});

describe("a decode of a PNG", () => {
  /** Decodes as the Worker does: with workerd's kind of stream. The sink allocates nothing. */
  const decode = (png: Uint8Array) =>
    withBufferingInflate(async () => {
      const sinkFor = ({ size }: DecodedFrame) => ({ firstRow: 0, endRow: size.height, push: () => {} });
      return (await decodePng(png, decodeLimits, sinkFor)).frame;
    });
  const kinds = smallPngs();

  test("allocates exactly its computed cost, and frees all but a few kilobytes of it", async () => {
    expect(kinds.length).toBeGreaterThan(30);
    const wide = kindsOfPng.map((kind) => writePng({ ...kind, width: 3001, height: 9 }));
    const files = [
      ...kinds.map(({ name, bytes }) => [name, bytes] as const),
      ...wide.map((bytes) => ["wide", bytes] as const),
    ];
    for (const [name, bytes] of files) {
      let costBytes = 0;
      const { bytes: allocated, arrays } = await allocationsOf(async () => {
        costBytes = (await decode(bytes)).costBytes;
      });
      expect(allocated, name).toBe(costBytes);
      const kept = arrays.reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
      // The table of a palette, and the slice that is written at once.
      expect(kept, name).toBeLessThan(2000);
    }
  });

  test("frees its memory after a failure too", async () => {
    const broken = writePng({
      ...kindsOfPng[0]!,
      width: 3001,
      height: 900,
      interlaced: true,
      rows: (rows) => rows.fill(7),
    });
    const { arrays } = await allocationsOf(() => decode(broken).catch(() => {}));
    expect(arrays.reduce((sum, { buffer }) => sum + buffer.byteLength, 0)).toBeLessThan(2000);
  });

  test("costs under 4 MiB at 50 megapixels, with what workerd buffers, whatever its height", async () => {
    for (const { colourType, bitDepth } of kindsOfPng) {
      const spec = { colourType, bitDepth, width: 8, height: 8 };
      const header = { ...parsePngHeader(writePng(spec)), width: 8660, height: 5773 };
      const cost = (height: number) =>
        decodeCostBytes({
          ...checkPng(writePng(spec), parsePngHeader(writePng(spec))),
          header: { ...header, height },
        });
      expect(cost(header.height) + 2 * MiB).toBeLessThan(4 * MiB);
      expect(cost(header.height)).toBe(cost(10_000_000));
    }
  });

  test("holds one block of inflated data while a file expands a thousand times", async () => {
    const bomb = flatPng(40_000, 150, 0, 0);
    expect(bomb.length).toBeLessThan(7000);
    await decode(bomb);
    expect(buffering.mostBytes).toBeLessThanOrEqual(2 * MiB);
    expect(buffering.open).toBe(0);
  });
});

test("300 decodes of large progressive files and bombs do not increase the memory of a process", async () => {
  const script = path.join(import.meta.dirname, "..", "support", "decode-churn.ts");
  const { stdout } = await promisify(execFile)(process.execPath, ["--no-warnings", script, "300"]);
  const { decodes, residentBytes, externalBytes } = JSON.parse(stdout) as ChurnMemory;
  expect(decodes).toBe(300);
  // Tensors of 48 KiB and Huffman tables are left to the garbage collector.
  expect(externalBytes[1] - externalBytes[0]).toBeLessThan(16 * MiB);
  expect(residentBytes[1] - residentBytes[0]).toBeLessThan(64 * MiB);
}, 240_000);

/** A decode allocates exactly the memory that was computed before, and frees it. */
import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { writeJpeg } from "../../bench/pictures/jpeg-writer.ts";
import { decodeCostBytes, JpegRows } from "../../src/image/jpeg/decode.ts";
import { parseJpegHeader } from "../../src/image/jpeg/header.ts";
import { checkJpeg } from "../../src/image/jpeg/scans.ts";
import { smallJpegs } from "../fuzz/seeds.ts";
import type { ChurnMemory } from "../support/decode-churn.ts";

const eighths = [8, 4, 2, 1] as const;
const arrayTypes = ["Uint8Array", "Uint8ClampedArray", "Uint16Array", "Int16Array", "Int32Array"] as const;

interface Allocated {
  readonly bytes: number;
  readonly arrays: readonly { readonly buffer: ArrayBufferLike }[];
}

/** Collects every typed array with its own buffer that `run` creates. Views of existing buffers do not count. */
function allocationsOf(run: () => void): Allocated {
  const originals = Object.fromEntries(arrayTypes.map((name) => [name, globalThis[name]]));
  const arrays: { readonly buffer: ArrayBufferLike }[] = [];
  let bytes = 0;
  for (const name of arrayTypes) {
    const counted = new Proxy(globalThis[name], {
      construct(target, args, newTarget) {
        const array = Reflect.construct(target, args, newTarget) as InstanceType<typeof target>;
        if (!(args[0] instanceof ArrayBuffer)) {
          arrays.push(array);
          bytes += array.byteLength;
        }
        return array;
      },
    });
    Object.assign(globalThis, { [name]: counted });
  }
  try {
    run();
  } finally {
    Object.assign(globalThis, originals);
  }
  return { bytes, arrays };
}

function decodeRows(rows: JpegRows): void {
  for (let y = 0; y < rows.height; y++) rows.row(y);
  rows.finish();
}

function expectExact(bytes: Uint8Array): void {
  const jpeg = checkJpeg(bytes, parseJpegHeader(bytes));
  for (const scale of eighths) {
    const { bytes: allocated } = allocationsOf(() => decodeRows(new JpegRows(jpeg, scale)));
    expect(allocated, `${scale}/8`).toBe(decodeCostBytes(jpeg, scale));
  }
}

describe("a decode allocates exactly its computed cost", () => {
  test("files of every kind", async () => {
    for (const { name, bytes } of await smallJpegs()) {
      if (["arithmetic-coded", "12-bit"].includes(name)) continue;
      expectExact(bytes);
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
          expectExact(new Uint8Array(await picture.clone().toColourspace(space).jpeg(options).toBuffer()));
        }
      }
    }
  });

  test("every ratio of chroma, one scan per component", () => {
    for (const [h, v] of [
      [4, 1],
      [1, 4],
      [2, 2],
      [3, 1],
      [4, 2],
    ] as const) {
      const components = [1, 2, 3].map((id) => ({ id, h: id === 1 ? h : 1, v: id === 1 ? v : 1 }));
      expectExact(writeJpeg({ width: 501, height: 307, components, scans: [[0], [1], [2]] }));
    }
  });

  test("a progressive file costs no more than a baseline one, and height adds no cost", async () => {
    const cost = async (height: number, progressive: boolean) => {
      const create = { width: 1200, height, channels: 3, background: "teal" } as const;
      const bytes = new Uint8Array(await sharp({ create }).jpeg({ progressive }).toBuffer());
      return decodeCostBytes(checkJpeg(bytes, parseJpegHeader(bytes)), 8);
    };
    expect(await cost(800, true)).toBeLessThanOrEqual(await cost(800, false));
    expect(await cost(8000, true)).toBe(await cost(800, true));
  });
});

test("free() frees every array that grows with the image", () => {
  const components = [1, 2, 3].map((id) => ({ id, h: id === 1 ? 4 : 1, v: 1 }));
  const jpeg = writeJpeg({ width: 501, height: 307, components });
  const checked = checkJpeg(jpeg, parseJpegHeader(jpeg));
  for (const scale of eighths) {
    const { arrays } = allocationsOf(() => {
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

test("300 decodes of large progressive files and bombs do not increase the memory of a process", async () => {
  const script = path.join(import.meta.dirname, "..", "support", "decode-churn.ts");
  const { stdout } = await promisify(execFile)(process.execPath, ["--no-warnings", script, "300"]);
  const { decodes, residentBytes, externalBytes } = JSON.parse(stdout) as ChurnMemory;
  expect(decodes).toBe(300);
  // Tensors of 48 KiB and Huffman tables are left to the garbage collector.
  expect(externalBytes[1] - externalBytes[0]).toBeLessThan(16 * 2 ** 20);
  expect(residentBytes[1] - residentBytes[0]).toBeLessThan(64 * 2 ** 20);
}, 240_000);

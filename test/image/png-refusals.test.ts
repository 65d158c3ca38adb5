/** PNGs that are refused, with the reason. */
import { describe, expect, test } from "vitest";
import { maxInflatedBytes } from "../../src/image/png/decode.ts";
import { imageToTensor } from "../../src/image/preprocess.ts";
import { decodeLimits } from "../../src/limits.ts";
import { fuzzPreprocessing } from "../fuzz/attempt.ts";
import { decodeWithin } from "../support/image-decoders.ts";
import { rejectionOf } from "../support/image-errors.ts";
import { chunk, type PngSpec, pngSignature, writePng } from "../support/png-writer.ts";

const rgb = { width: 20, height: 12, colourType: 2, bitDepth: 8 } as const;
const png = writePng(rgb);
const refusal = (bytes: Uint8Array) => rejectionOf(decodeWithin(bytes, decodeLimits));
const joined = (...parts: (Uint8Array | readonly number[])[]) =>
  new Uint8Array(Buffer.concat(parts.map((part) => Uint8Array.from(part))));

/** Returns a copy of IHDR's body with other bytes from `at` on. */
const header = (at: number, ...values: number[]) => ({
  header(body: Uint8Array) {
    const copy = body.slice();
    copy.set(values, at);
    return copy;
  },
});

function patched(bytes: Uint8Array, at: number): Uint8Array {
  const copy = bytes.slice();
  copy[at < 0 ? copy.length + at : at]! ^= 1;
  return copy;
}

/** Where a chunk of `png` begins. */
const at = (type: string) => Buffer.from(png).indexOf(type) - 4;

function without(bytes: Uint8Array, type: string): Uint8Array {
  const start = Buffer.from(bytes).indexOf(type) - 4;
  const length = new DataView(bytes.buffer).getUint32(start);
  return joined(bytes.subarray(0, start), bytes.subarray(start + 12 + length));
}

const palette = { ...rgb, colourType: 3 } as const;
const zeros = new Uint8Array(4_000_000);
const written = (change: Partial<PngSpec>) => writePng({ ...rgb, ...change });

describe("a broken PNG is refused with the reason", () => {
  test.each<[RegExp, Uint8Array]>([
    [/its signature is damaged/, joined(png.subarray(0, 4), png.subarray(5))],
    [/its signature is damaged/, png.subarray(0, 7)],
    [/ends before its IEND chunk/, png.subarray(0, 8)],
    [/first chunk is IDAT; expected IHDR/, without(png, "IHDR")],
    [/IHDR chunk has 14 bytes; expected 13/, written({ header: (body) => joined(body, [0]) })],
    [/IHDR chunk is damaged/, patched(png, 18)],
    [/says 0x12 pixels/, written(header(0, 0, 0, 0, 0))],
    [/says 20x0 pixels/, written(header(4, 0, 0, 0, 0))],
    [/colour type 2 with 4 bits/, written(header(8, 4))],
    [/colour type 3 with 16 bits/, written(header(8, 16, 3))],
    [/colour type 4 with 4 bits/, written(header(8, 4, 4))],
    [/colour type 6 with 1 bits/, written(header(8, 1, 6))],
    [/colour type 0 with 3 bits/, written(header(8, 3, 0))],
    [/colour type 5 with 8 bits/, written(header(8, 8, 5))],
    [/compression 1, filter 0, interlace 0/, written(header(10, 1))],
    [/compression 0, filter 1, interlace 0/, written(header(11, 1))],
    [/compression 0, filter 0, interlace 2/, written(header(12, 2))],
    [/two headers/, written({ before: [chunk("IHDR", new Uint8Array(13))] })],
    [/unknown critical chunk, ABCD/, written({ before: [chunk("ABCD")] })],
    [/unknown critical chunk, ABCD/, written({ after: [chunk("ABCD")] })],
    [/the bytes at 33 are no chunk/, joined(png.subarray(0, 33), new Uint8Array(20), png.subarray(33))],
    [/no palette/, without(writePng(palette), "PLTE")],
    [/palette follows its image data/, written({ after: [chunk("PLTE", [1, 2, 3])] })],
    [/two palettes/, writePng({ ...palette, first: [chunk("PLTE", [1, 2, 3])] })],
    [/palette has 4 bytes/, writePng({ ...palette, palette: new Uint8Array(4) })],
    [/palette has 0 bytes/, writePng({ ...palette, palette: new Uint8Array(0) })],
    [/palette has 771 bytes/, writePng({ ...palette, palette: new Uint8Array(771) })],
    [/holds no image data/, without(png, "IDAT")],
    [/compressed data is broken or ends too early/, written({ data: () => new Uint8Array(0) })],
    [
      /other chunks interrupt its IDAT chunks/,
      joined(png.subarray(0, at("IEND")), chunk("tEXt"), png.subarray(at("IDAT"))),
    ],
    [/IDAT chunk is damaged: its checksum is wrong/, patched(png, at("IDAT") + 20)],
    [/IEND chunk is damaged: its checksum is wrong/, patched(png, -1)],
    [/ends inside its IDAT chunk/, png.subarray(0, png.length - 20)],
    [/ends inside its IEND chunk/, png.subarray(0, png.length - 1)],
    [/ends before its IEND chunk/, png.subarray(0, png.length - 12)],
    [
      /a row has filter 5; the highest is 4/,
      written({ rows: (rows) => patched(rows, 61 * 4).map((value, i) => (i === 61 * 4 ? 5 : value)) }),
    ],
    [/image data ends too early/, written({ rows: (rows) => rows.subarray(0, rows.length - 1) })],
    [/image data ends too early/, written({ rows: () => new Uint8Array(0) })],
    [/image data ends too early/, written({ interlaced: true, rows: (rows) => rows.subarray(0, -50) })],
    [/image data is longer than its header says/, written({ rows: (rows) => joined(rows, [0]) })],
    [/image data is longer than its header says/, written({ rows: (rows) => joined(rows, zeros) })],
    [/compressed data is broken/, written({ data: (data) => patched(data, -1) })],
    [/compressed data is broken/, written({ data: (data) => patched(data, 0) })],
    [
      /compressed data is broken/,
      written({ data: (data) => data.map((byte, i) => (i > 200 ? 0x55 : byte)) }),
    ],
    [/compressed data is broken or ends too early/, written({ data: (data) => data.subarray(0, -9) })],
    [/compressed data is broken/, written({ data: (data) => joined(data, [1, 2, 3]) })],
  ])("%s", async (detail, bytes) => {
    const expected = { code: "image_undecodable", detail: expect.stringMatching(detail) };
    expect(await refusal(bytes)).toMatchObject(expected);
  });

  test("with the cause, for the log", async () => {
    const broken = written({ data: (data) => patched(data, -1) });
    const error = await decodeWithin(broken, decodeLimits).catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ cause: { name: "TypeError" } });
  });
});

test("Apple's variant is refused by name", async () => {
  const cgbi = joined(pngSignature, chunk("CgBI", [0x50, 0, 0x20, 2]), png.subarray(8));
  expect(await refusal(cgbi)).toEqual({
    code: "unsupported_image",
    detected: "a PNG in Apple's CgBI format",
    expected: "a standard PNG",
  });
});

describe("a PNG over a limit is refused with its size, before its image data is read", () => {
  /** Bytes that claim a size and have no image data. */
  const claiming = (width: number, height: number, change: Partial<PngSpec> = {}) => {
    const body = Buffer.alloc(8);
    body.writeUInt32BE(width, 0);
    body.writeUInt32BE(height, 4);
    return written({ ...header(0, ...body), data: () => new Uint8Array(1), ...change });
  };

  test("50,000,001 pixels", async () => {
    expect(await refusal(claiming(50_000_001, 1))).toEqual({
      code: "image_too_large",
      unit: "pixels",
      measured: 50_000_001,
      limit: 50_000_000,
    });
  });

  test("50 megapixels of 64 bits, which inflate to 400 MB", async () => {
    const deep = claiming(10_000, 5000, { colourType: 6, bitDepth: 16 });
    expect(await refusal(deep)).toEqual({
      code: "image_too_large",
      unit: "inflated_bytes",
      measured: 5000 * (8 * 10_000 + 1),
      limit: maxInflatedBytes,
    });
    expect(4 * decodeLimits.maxPixels).toBeLessThan(maxInflatedBytes);
  });

  test.each([
    ["a row of 50 million pixels", claiming(50_000_000, 1)],
    ["an interlaced image of 4 megapixels", claiming(2000, 2000, { interlaced: true })],
  ])("%s", async (_, bytes) => {
    const { limit, measured, ...reason } = (await refusal(bytes)) as { limit: number; measured: number };
    expect(reason).toEqual({ code: "image_too_large", unit: "decode_bytes" });
    expect(limit).toBe(decodeLimits.maxDecodeBytes);
    expect(measured).toBeGreaterThan(limit);
  });

  test("a decode of exactly the memory limit is allowed, of a byte more it is refused", async () => {
    const { costBytes } = await decodeWithin(png, decodeLimits);
    const within = (maxDecodeBytes: number) => decodeWithin(png, { ...decodeLimits, maxDecodeBytes });
    expect((await within(costBytes)).costBytes).toBe(costBytes);
    expect(await rejectionOf(within(costBytes - 1))).toMatchObject({
      measured: costBytes,
      limit: costBytes - 1,
    });
  });

  test("millions of rows that a stretching model would have to resize", async () => {
    const thin = claiming(1, 10_000_000);
    const stretch = { ...fuzzPreprocessing, resize: "stretch" } as const;
    expect(await rejectionOf(imageToTensor(thin, stretch, decodeLimits))).toMatchObject({
      code: "image_too_large",
      unit: "decode_bytes",
    });
  });
});

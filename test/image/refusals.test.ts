import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { segment, writeJpeg } from "../../bench/pictures/jpeg-writer.ts";
import { decodedFormats } from "../../src/image/detect.ts";
import { decodeCostBytes } from "../../src/image/jpeg/decode.ts";
import { parseJpegHeader } from "../../src/image/jpeg/header.ts";
import { checkJpeg } from "../../src/image/jpeg/scans.ts";
import { decodeWithin } from "../support/image-decoders.ts";
import { rejectionOf } from "../support/image-errors.ts";
import { gradient } from "../support/image-reference.ts";

const limits = { maxPixels: 1_000_000, maxDecodeBytes: 64 * 2 ** 20 };
const small = writeJpeg({
  width: 20,
  height: 12,
  components: [1, 2, 3].map((id) => ({ id, h: id === 1 ? 2 : 1, v: 1 })),
});
const refusal = (bytes: Uint8Array) => rejectionOf(decodeWithin(bytes, limits));
const ascii = (text: string) => new TextEncoder().encode(text);

function find(bytes: Uint8Array, marker: number): number {
  const at = bytes.findIndex((b, i) => b === 0xff && bytes[i + 1] === marker);
  expect(at).toBeGreaterThan(0);
  return at;
}

/** Replaces bytes of `small` from `offset` on, counted from the first FF `marker`. */
function patched(marker: number, offset: number, ...values: number[]): Uint8Array {
  const copy = small.slice();
  copy.set(values, find(copy, marker) + offset);
  return copy;
}

function inserted(before: number, ...bytes: number[]): Uint8Array {
  const at = find(small, before);
  return Uint8Array.from([...small.subarray(0, at), ...bytes, ...small.subarray(at)]);
}

function without(marker: number): Uint8Array {
  const at = find(small, marker);
  const end = at + 2 + ((small[at + 2]! << 8) | small[at + 3]!);
  return Uint8Array.from([...small.subarray(0, at), ...small.subarray(end)]);
}

describe("other formats are refused by name", () => {
  const image = sharp({ create: { width: 8, height: 8, channels: 3, background: "red" } });
  test.each([
    ["an AVIF image", () => image.clone().avif().toBuffer()],
    ["a TIFF image", () => image.clone().tiff().toBuffer()],
  ] as const)("%s", async (detected, write) => {
    const reason = await refusal(new Uint8Array(await write()));
    expect(reason).toEqual({ code: "unsupported_image", detected, expected: decodedFormats });
  });

  test.each([
    ["a HEIC image", ascii("\0\0\0\x18ftypheic\0\0\0\0")],
    ["a BMP image", ascii("BM6\0\0\0\0\0")],
    ["a PDF document", ascii("%PDF-1.7\n")],
    ["HTML or XML text", ascii("\n <!DOCTYPE html><html>")],
    ["text", ascii('{"image": "..."}')],
    ["base64 text of a JPEG, not its bytes", ascii("/9j/4AAQSkZJRg==")],
    ["unknown data (first bytes ff 00 01)", Uint8Array.of(0xff, 0, 1)],
  ] as const)("%s", async (detected, bytes) => {
    expect(await refusal(bytes)).toMatchObject({ code: "unsupported_image", detected });
  });

  test("no bytes at all", async () => {
    expect(await refusal(new Uint8Array(0))).toEqual({ code: "empty_body" });
  });
});

describe("unsupported kinds of JPEG are refused by name", () => {
  test.each([
    ["a 12-bit JPEG", patched(0xc0, 4, 12)],
    ["a lossless JPEG", patched(0xc0, 1, 0xc3)],
    ["a hierarchical JPEG", patched(0xc0, 1, 0xc5)],
    ["a hierarchical JPEG", inserted(0xc0, ...segment(0xde, [8, 0, 1, 0, 1, 0]))],
    ["an arithmetic-coded JPEG", patched(0xc0, 1, 0xc9)],
    ["an arithmetic-coded JPEG", patched(0xc0, 1, 0xca)],
    ["a lossless, arithmetic-coded JPEG", patched(0xc0, 1, 0xcb)],
    ["a JPEG-LS image", patched(0xc0, 1, 0xf7)],
    [
      "a JPEG of 2 components",
      writeJpeg({ width: 8, height: 8, components: [1, 2].map((id) => ({ id, h: 1, v: 1 })) }),
    ],
    ["a JPEG with fractional chroma subsampling", patched(0xc0, 11, 0x31, 0, 2, 0x21)],
  ] as const)("%s", async (detected, bytes) => {
    expect(await refusal(bytes)).toMatchObject({ code: "unsupported_image", detected });
  });
});

describe("a broken JPEG is refused with the reason", () => {
  test.each([
    [/ends before its end-of-image marker/, small.subarray(0, small.length - 2).slice(0, 2)],
    [/ends inside its image data/, small.subarray(0, small.length - 1)],
    [/ends inside its image data/, small.subarray(0, small.length - 30)],
    [/ends inside the segment of marker FFC0/, small.subarray(0, find(small, 0xc0) + 9)],
    [/length 0; the least is 2/, patched(0xdb, 2, 0, 0)],
    [/width 0/, patched(0xc0, 7, 0, 0)],
    [/height 0/, patched(0xc0, 5, 0, 0)],
    [/3 bits per sample/, patched(0xc0, 4, 3)],
    [/15 bytes for 4 components/, patched(0xc0, 9, 4)],
    [/sampling factors 0x1/, patched(0xc0, 11, 0x01)],
    [/sampling factors 5x1/, patched(0xc0, 11, 0x51)],
    [/quantisation table 9/, patched(0xc0, 12, 9)],
    [/component 1, which the frame does not have/, patched(0xc0, 10, 2)],
    [/two frame headers/, inserted(0xda, ...segment(0xc0, [8, 0, 8, 0, 8, 1, 1, 0x11, 0]))],
    [/two frame headers/, inserted(0xd9, ...segment(0xc2, [8, 0, 8, 0, 8, 1, 1, 0x11, 0]))],
    [/no frame header before it/, without(0xc0)],
    [/holds no image data/, without(0xda).map((b, i, all) => (all[i - 1] === 0xff && b === 0xc0 ? 0xd9 : b))],
    [/quantisation table 0 is missing/, without(0xdb)],
    [/DC Huffman table 2 is missing/, patched(0xda, 6, 0x20)],
    [/AC Huffman table 3 is missing/, patched(0xda, 6, 0x03)],
    [/too many codes of 1 bits/, patched(0xc4, 5, 3)],
    [/Huffman table is cut short/, patched(0xc4, 2, 0, 30)],
    [/class 7/, patched(0xc4, 4, 0x70)],
    [/quantisation table has precision 2/, patched(0xdb, 4, 0x20)],
    [/component 9, which the frame does not have/, patched(0xda, 5, 9)],
    [/component 1 twice/, patched(0xda, 7, 1)],
    [/scan header has 10 bytes for 4 components/, patched(0xda, 4, 4)],
    [
      /component 3 has no image data/,
      (() => {
        const components = [1, 2, 3].map((id) => ({ id, h: 1, v: 1 }));
        return writeJpeg({ width: 8, height: 8, components, scans: [[0], [1]] });
      })(),
    ],
    [
      /codes a component twice/,
      (() => {
        const components = [1, 2, 3].map((id) => ({ id, h: 1, v: 1 }));
        return writeJpeg({ width: 8, height: 8, components, scans: [[0], [0], [1], [2]] });
      })(),
    ],
    [/has 0 of its 1 restart markers/, inserted(0xda, ...segment(0xdd, [0, 3]))],
    [/its image data ends too early/, Uint8Array.from([...small.subarray(0, small.length - 40), 0xff, 0xd9])],
    [/its image data ends too early/, patched(0xc0, 5, 0, 200)],
    [/its compressed data is broken \(no such Huffman code\)/, patched(0xda, 14, 0xfe)],
  ])("%s", async (detail, bytes) => {
    expect(await refusal(bytes)).toMatchObject({
      code: "image_undecodable",
      detail: expect.stringMatching(detail),
    });
  });
});

describe("a valid JPEG with unusual bytes around its data is decoded", () => {
  test.each([
    ["bytes after the end", Uint8Array.from([...small, 0xff, 0xd8, 1, 2, 3, 0xff])],
    ["another JPEG after the end", Uint8Array.from([...small, ...small])],
    ["fill bytes before a marker", inserted(0xc0, 0xff, 0xff, 0xff)],
    ["fill bytes before the end", inserted(0xd9, 0xff, 0xff)],
    ["stray bytes between segments", inserted(0xc0, 1, 2, 3, 0xff, 0)],
    ["an empty comment", inserted(0xc0, 0xff, 0xfe, 0, 2)],
    [
      "a comment of the maximum length",
      inserted(0xc0, ...segment(0xfe, new Array<number>(65533).fill(0xff))),
    ],
    ["an Exif thumbnail", inserted(0xdb, ...segment(0xe1, [...small]))],
    ["a number-of-lines segment", inserted(0xd9, ...segment(0xdc, [0, 12]))],
  ])("%s", async (_, bytes) => {
    expect(await decodeWithin(bytes, limits)).toEqual(await decodeWithin(small, limits));
  });
});

describe("the header is read without decoding", () => {
  test("size, process, components and markers of a progressive 4:2:0 file", async () => {
    const photo = gradient(100, 70).jpeg({ progressive: true, chromaSubsampling: "4:2:0" });
    const header = parseJpegHeader(new Uint8Array(await photo.toBuffer()));
    expect(header).toMatchObject({ width: 100, height: 70, precision: 8, process: "progressive" });
    expect(header.components.map(({ id, h, v }) => [id, h, v])).toEqual([
      [1, 2, 2],
      [2, 1, 1],
      [3, 1, 1],
    ]);
    expect(header.hasJfif).toBe(false);
    expect(header.adobeTransform).toBeUndefined();
  });
});

describe("an image over a limit is refused with its size", () => {
  test("65535x65535 announced by a small file", async () => {
    const reason = await refusal(patched(0xc0, 5, 0xff, 0xff, 0xff, 0xff));
    expect(reason).toEqual({
      code: "image_too_large",
      unit: "pixels",
      measured: 65535 ** 2,
      limit: 1_000_000,
    });
  });

  test("an image of exactly the pixel limit is allowed", async () => {
    const at = (maxPixels: number) => decodeWithin(small, { ...limits, maxPixels });
    expect((await at(240)).image).toMatchObject({ width: 20, height: 12 });
    expect(await rejectionOf(at(239))).toMatchObject({ unit: "pixels", measured: 240, limit: 239 });
  });

  test("a decode of exactly the memory limit is allowed; above it, without a lower scale, it is refused", async () => {
    const cost = decodeCostBytes(checkJpeg(small, parseJpegHeader(small)), 1);
    const at = (maxDecodeBytes: number) => decodeWithin(small, { ...limits, maxDecodeBytes });
    expect(await at(cost)).toMatchObject({ eighths: 1, fullSize: { width: 20, height: 12 } });
    expect(await rejectionOf(at(cost - 1))).toMatchObject({
      unit: "decode_bytes",
      measured: cost,
      limit: cost - 1,
    });
  });
});

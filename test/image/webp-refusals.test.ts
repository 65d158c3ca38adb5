/** Broken WebP files, and those beyond a limit, are refused with the reason. */
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { parseWebp } from "../../src/image/webp/container.ts";
import { webpLeastCostBytes } from "../../src/image/webp/decode.ts";
import { decodeLimits } from "../../src/limits.ts";
import { seededChoices } from "../fuzz/choices.ts";
import { outcomeOf, reasonOf } from "../support/image-errors.ts";
import { latin1 } from "../support/image-files.ts";
import { writeVp8 } from "../support/vp8-writer.ts";
import { writeVp8l } from "../support/vp8l-writer.ts";
import { decodeWhole } from "../support/webp-reference.ts";
import {
  animationFrame,
  animationHeader,
  chunk,
  contentOf,
  Vp8xFlag,
  vp8x,
  webpFile,
} from "../support/webp-writer.ts";

const refusal = (webp: Uint8Array) => reasonOf(() => decodeWhole(webp));
const create = {
  width: 20,
  height: 12,
  channels: 4,
  background: { r: 200, g: 90, b: 10, alpha: 0.5 },
} as const;
const lossyFile = new Uint8Array(await sharp({ create }).webp().toBuffer());
const lossy = contentOf(lossyFile, "VP8 ");
const alpha = contentOf(lossyFile, "ALPH");
const lossless = contentOf(
  new Uint8Array(await sharp({ create }).webp({ lossless: true }).toBuffer()),
  "VP8L",
);
const onePartition = writeVp8({ width: 40, height: 40, quantiser: 5 }, seededChoices(1, 1));
const fourPartitions = writeVp8(
  { width: 40, height: 40, quantiser: 5, partitionBits: 2 },
  seededChoices(1, 1),
);

/** The frame up to `bytes` bytes after the first partition. */
function cutAfterModes(frame: Uint8Array, bytes: number): Uint8Array {
  const firstPartition = (frame[0]! | (frame[1]! << 8) | (frame[2]! << 16)) >> 5;
  return webpFile(chunk("VP8 ", frame.subarray(0, 10 + firstPartition + bytes)));
}

/** A simple file with this image, in which bytes from `offset` on are replaced. */
function patched(name: "VP8 " | "VP8L", content: Uint8Array, offset: number, ...values: number[]) {
  const copy = content.slice();
  copy.set(values, offset);
  return webpFile(chunk(name, copy));
}

/** A VP8L stream from bits as text, each number with its lowest bit first. */
function lossless20x12(bits: string): Uint8Array {
  const all = bits.replaceAll(/\s/g, "").padEnd(400, "0");
  const bytes = Array.from({ length: 50 }, (_, i) =>
    Number.parseInt([...all.slice(8 * i, 8 * i + 8)].reverse().join(""), 2),
  );
  return webpFile(
    chunk("VP8L", [...writeVp8l(20, 12, false, [], { tokens: [], cacheBits: 0 }).subarray(0, 5), ...bytes]),
  );
}

const animated = (...chunks: readonly number[][]) =>
  webpFile(vp8x(20, 12, Vp8xFlag.animation), animationHeader, ...chunks);
const extended = (...chunks: readonly number[][]) => webpFile(vp8x(20, 12, Vp8xFlag.alpha), ...chunks);
const image = chunk("VP8 ", lossy);
const withAlpha = (content: ArrayLike<number>) => extended(chunk("ALPH", content), image);
const frameAt = (x: number, y: number) => ({ x, y, width: 20, height: 12 });

describe("a broken WebP is refused with the reason", () => {
  test.each([
    ["the file ends", /has 50 of the \d+ bytes that its header announces/, lossyFile.slice(0, 50)],
    [
      "the last byte is missing",
      /bytes that its header announces/,
      lossyFile.subarray(0, lossyFile.length - 1),
    ],
    [
      "a chunk goes beyond the file",
      /"VP8 " chunk has 4 of 200 bytes/,
      webpFile([...latin1("VP8 "), 200, 0, 0, 0, 1, 2, 3, 4]),
    ],
    ["no chunk", /no image data/, webpFile()],
    ["no image", /no image data/, extended(chunk("EXIF", [1, 2]))],
    ["a simple file that begins with something else", /no image data/, webpFile(chunk("ICCP", [1]), image)],
    [
      "a short VP8X chunk",
      /VP8X chunk has 4 bytes; expected 10/,
      webpFile(chunk("VP8X", [0, 0, 0, 0]), image),
    ],
    [
      "a canvas of another size",
      /20x12 pixels at 0,0, but its canvas has 20x13/,
      webpFile(vp8x(20, 13), image),
    ],
    [
      "a frame beyond the canvas",
      /20x12 pixels at 2,0, but its canvas/,
      animated(animationFrame(frameAt(2, 0), image)),
    ],
    [
      "a frame of another size",
      /first frame has 20x12 pixels; its header says 20x10/,
      animated(animationFrame({ ...frameAt(0, 0), height: 10 }, image)),
    ],
    ["a short frame", /first frame is cut short/, animated(chunk("ANMF", [1, 2, 3]))],
    ["a frame without image", /no image data/, animated(animationFrame(frameAt(0, 0)))],
    [
      "a frame in a frame",
      /no image data/,
      animated(animationFrame(frameAt(0, 0), animationFrame(frameAt(0, 0), image))),
    ],
  ] as const)("container: %s", (_, detail, webp) => {
    expect(refusal(webp)).toMatchObject({ code: "image_undecodable", detail: expect.stringMatching(detail) });
  });

  test.each([
    ["no header", /ends inside the frame header/, webpFile(chunk("VP8 ", lossy.subarray(0, 9)))],
    ["an interframe", /not a key frame/, patched("VP8 ", lossy, 0, lossy[0]! | 1)],
    ["an unknown version", /VP8 version is 7; the highest is 3/, patched("VP8 ", lossy, 0, lossy[0]! | 14)],
    ["a hidden frame", /not for display/, patched("VP8 ", lossy, 0, lossy[0]! & ~16)],
    ["no start code", /no start code/, patched("VP8 ", lossy, 3, 0)],
    ["width 0", /0x12 pixels/, patched("VP8 ", lossy, 6, 0, 0)],
    ["height 0", /20x0 pixels/, patched("VP8 ", lossy, 8, 0, 0x40)],
    ["a first partition beyond the data", /ends inside the first partition/, patched("VP8 ", lossy, 2, 255)],
    ["a first partition of one byte", /ends inside the frame header/, patched("VP8 ", lossy, 0, 0x30, 0, 0)],
    ["no coefficients", /ends before the last partition/, cutAfterModes(lossy, 0)],
    ["cut coefficients", /VP8 data ends too early/, cutAfterModes(onePartition, 100)],
    ["no last partition", /ends before the last partition/, cutAfterModes(fourPartitions, 1000)],
  ] as const)("VP8: %s", (_, detail, webp) => {
    expect(refusal(webp)).toMatchObject({ code: "image_undecodable", detail: expect.stringMatching(detail) });
  });

  test.each([
    ["no header", /ends inside the header/, webpFile(chunk("VP8L", lossless.subarray(0, 4)))],
    ["no signature", /no signature/, patched("VP8L", lossless, 0, 0)],
    ["an unknown version", /VP8L version is 1; expected 0/, patched("VP8L", lossless, 4, 0x30)],
    [
      "nothing after the header",
      /VP8L data ends too early/,
      webpFile(chunk("VP8L", lossless.subarray(0, 5))),
    ],
    [
      "cut pixels",
      /VP8L data ends too early/,
      webpFile(chunk("VP8L", lossless.subarray(0, lossless.length - 3))),
    ],
    ["a transform twice", /has transform 2 twice/, lossless20x12("1 01 1 01")],
    ["a colour cache of 0 bits", /colour cache of 0 bits/, lossless20x12("0 1 0000")],
    ["a colour cache of 12 bits", /colour cache of 12 bits/, lossless20x12("0 1 0011")],
    ["a code without codewords", /too few codewords/, lossless20x12("0 0 0 0 0000 000 000 000 000")],
    // The code for lengths has codewords of 1 bit for 17, 18 and 0.
    ["a code for lengths with too many", /too many codewords/, lossless20x12("0 0 0 0 0000 100 100 100 000")],
    // Length 1 has 2 bits, length 0 has 2 bits, 18 has 1 bit: one codeword, then a run of 138, twice: 277 of 280, then
    // 138 more.
    [
      "a run beyond the alphabet",
      /415 of 280 lengths/,
      lossless20x12("0 0 0 0 0000 000 100 010 010 0 11 0 1111111 0 1111111 0 1111111"),
    ],
    [
      "more lengths than symbols",
      /\d+ of 280 lengths/,
      lossless20x12("0 0 0 0 0000 000 100 010 010 1 111 1111111111111111"),
    ],
    [
      "a copy at the first pixel",
      /copies pixels from outside the image/,
      webpFile(
        chunk("VP8L", writeVp8l(20, 12, false, [], { tokens: [{ length: 5, distance: 121 }], cacheBits: 0 })),
      ),
    ],
    [
      "a copy beyond the last pixel",
      /copies pixels from outside the image/,
      webpFile(
        chunk(
          "VP8L",
          writeVp8l(20, 12, false, [], {
            tokens: [{ argb: 1 }, { length: 240, distance: 121 }],
            cacheBits: 0,
          }),
        ),
      ),
    ],
  ] as const)("VP8L: %s", (_, detail, webp) => {
    expect(refusal(webp)).toMatchObject({ code: "image_undecodable", detail: expect.stringMatching(detail) });
  });

  test.each([
    ["nothing", /alpha channel is empty/, withAlpha([])],
    ["an unknown compression", /compression method 3; expected 0 or 1/, withAlpha([3, 0, 0])],
    ["too few values", /alpha channel has 239 of 240 bytes/, withAlpha(new Uint8Array(240))],
    ["cut compressed values", /VP8L data ends too early/, withAlpha(alpha.subarray(0, alpha.length - 2))],
  ] as const)("ALPH: %s", (_, detail, webp) => {
    expect(refusal(webp)).toMatchObject({ code: "image_undecodable", detail: expect.stringMatching(detail) });
  });
});

describe("an image over a limit is refused with its size", () => {
  test("pixels, from the header alone", () => {
    const huge = webpFile(
      chunk("VP8L", writeVp8l(16384, 16384, false, [], { tokens: [], cacheBits: 0 }).subarray(0, 5)),
    );
    const { maxPixels } = decodeLimits;
    expect(refusal(huge)).toEqual({
      code: "image_too_large",
      unit: "pixels",
      measured: 2 ** 28,
      limit: maxPixels,
    });
    const at = (limit: number) => () => decodeWhole(lossyFile, { ...decodeLimits, maxPixels: limit });
    expect(outcomeOf(at(240))).toBe("decoded");
    expect(reasonOf(at(239))).toMatchObject({ unit: "pixels", measured: 240, limit: 239 });
  });

  test("a canvas of one row that does not fit", () => {
    const frame = writeVp8({ width: 20, height: 1, quantiser: 5 }, seededChoices(1, 2));
    const place = { ...frameAt(0, 0), height: 1 };
    const row = webpFile(vp8x(2 ** 24, 1), animationFrame(place, chunk("VP8 ", frame)));
    expect(refusal(row)).toMatchObject({
      code: "image_too_large",
      unit: "decode_bytes",
      limit: decodeLimits.maxDecodeBytes,
    });
  });

  test("a decode of exactly the memory limit is allowed", () => {
    const file = webpFile(chunk("VP8 ", lossy));
    const cost = webpLeastCostBytes(parseWebp(file));
    const at = (maxDecodeBytes: number) => () => decodeWhole(file, { ...decodeLimits, maxDecodeBytes });
    expect(at(cost)()).toMatchObject({ costBytes: cost });
    expect(reasonOf(at(cost - 1))).toMatchObject({ unit: "decode_bytes", measured: cost, limit: cost - 1 });
  });

  test("prefix codes that do not fit", () => {
    // A group of codes for each block of 4x4 pixels.
    const side = 64;
    const groups = Array.from({ length: (side * side) / 16 }, (_, i) => ({ argb: i << 8 }));
    const tokens = Array.from({ length: side * side }, (_, i) => ({ argb: Math.imul(i, 0x01030507) }));
    const ofToken = tokens.map((_, i) => Math.floor(i / side / 4) * (side / 4) + Math.floor((i % side) / 4));
    const map = { bits: 2, count: groups.length, ofToken, image: { tokens: groups, cacheBits: 0 } };
    const file = webpFile(
      chunk("VP8L", writeVp8l(side, side, false, [], { tokens, cacheBits: 0, groups: map })),
    );
    const { costBytes } = decodeWhole(file);
    const least = webpLeastCostBytes(parseWebp(file));
    expect(costBytes).toBeGreaterThan(least + 256 * 5 * 2);
    const at = (maxDecodeBytes: number) => () => decodeWhole(file, { ...decodeLimits, maxDecodeBytes });
    expect(at(costBytes)()).toMatchObject({ costBytes });
    expect(reasonOf(at(costBytes - 1))).toMatchObject({ unit: "decode_bytes", limit: costBytes - 1 });
    expect(reasonOf(at(least))).toMatchObject({ unit: "decode_bytes", limit: least });
  });
});

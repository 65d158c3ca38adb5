/** Detecting images by their first bytes. */
import fc from "fast-check";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { startsAsImage, startsAsText } from "../../src/image/detect.ts";
import { imageFiles, latin1, otherFiles } from "../support/image-files.ts";

const pixels = sharp({ create: { width: 9, height: 7, channels: 3, background: "#369" } });

describe("startsAsImage", () => {
  test.each(Object.entries(imageFiles))("%s is an image, whole or by its first bytes", (_, bytes) => {
    expect(startsAsImage(bytes)).toBe(true);
    // No beginning of an image looks like something else.
    for (let length = 0; length < bytes.length; length++)
      expect([length, startsAsImage(bytes.subarray(0, length))]).not.toEqual([length, false]);
  });

  test.each(["jpeg", "png", "gif", "webp", "avif", "tiff"] as const)(
    "a real %s file is an image",
    async (format) => {
      expect(startsAsImage(await pixels.clone().toFormat(format).toBuffer())).toBe(true);
    },
  );

  test.each(Object.entries(otherFiles))("%s is not an image", (_, bytes) => {
    expect(startsAsImage(bytes)).toBe(false);
  });

  test.each([
    "<html><body><svg>",
    "<!-- svg --><p>",
    "data: 1\n\n",
    '{"a":1}\n',
    "BMW makes motorcycles",
    "RIFF\0\0\0\0WAVE",
    "MMMMM",
    "I, for one",
  ])("a few bytes suffice to detect that %j is not an image", (text) => {
    expect(startsAsImage(latin1(text))).toBe(false);
  });

  test.each([
    "",
    " ",
    "<",
    "<?xml version='1.0'?>",
    "<!-- long",
    "<!DOCTYPE svg [ <!ENTITY a 'b>'>",
    "<sv",
    "<x:",
    "\xef\xbb",
    "\0\0\0\x20ftypisom",
  ])("%j needs more bytes to decide", (text) => {
    expect(startsAsImage(latin1(text))).toBe(undefined);
  });

  test("a decision does not change when more bytes arrive", () => {
    const piece = fc.constantFrom(
      ..."<|svg|>| |<?|?>|<!--|-->|<!DOCTYPE |html|\0|\xff|ftyp|avif|RIFF|BM|\xd8".split("|"),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const bytes = latin1(pieces.join(""));
        let decided: boolean | undefined;
        for (let length = 0; length <= bytes.length; length++) {
          const verdict = startsAsImage(bytes.subarray(0, length));
          if (decided !== undefined) expect(verdict).toBe(decided);
          decided ??= verdict;
        }
      }),
      { numRuns: 500 },
    );
  });
});

test("text has no binary bytes", () => {
  expect(startsAsText(new TextEncoder().encode("<p>\tKühl\r\n\f冷"))).toBe(true);
  for (const byte of [0, 8, 0x0b, 0x0e, 0x1f]) expect(startsAsText(Uint8Array.of(0x61, byte))).toBe(false);
});

/** The first frame of GIFs. sharp (libvips with libnsgif) is the reference. */
import sharp, { type GifOptions } from "sharp";
import { describe, expect, test } from "vitest";
import { syntheticPixels } from "../../cli/pack/synthetic.ts";
import { decodeCostBytes, parseGif } from "../../src/image/gif/decode.ts";
import { decodeLimits } from "../../src/limits.ts";
import { type GifSpec, writeGif } from "../support/gif-writer.ts";
import { corpusFile } from "../support/hostile-corpus.ts";
import { decodeWithin } from "../support/image-decoders.ts";
import { largestDifference } from "../support/image-reference.ts";

const decode = async (gif: Uint8Array) => (await decodeWithin(gif, decodeLimits)).image;

/** Decodes the first frame with sharp to RGB over white. */
async function reference(gif: Uint8Array): Promise<Uint8Array> {
  return sharp(gif).flatten({ background: "white" }).toColourspace("srgb").raw().toBuffer();
}

async function photo(width: number, height: number, options: GifOptions = {}): Promise<Uint8Array> {
  const side = Math.max(width, height);
  const raw = { width: side, height: side, channels: 3 } as const;
  return sharp(syntheticPixels(side, 3), { raw })
    .resize(width, height, { fit: "cover" })
    .gif(options)
    .toBuffer();
}

describe("a GIF has the reference's pixels", () => {
  test.each([
    [1, 1],
    [1, 40],
    [40, 1],
    [7, 5],
    [33, 64],
    [300, 200],
  ])("%dx%d, of 2 to 256 colours", async (width, height) => {
    for (const colours of [2, 4, 16, 64, 256]) {
      const gif = await photo(width, height, { colours });
      expect(largestDifference((await decode(gif)).data, await reference(gif)), `${colours} colours`).toBe(0);
    }
  });

  test.each([1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 50])("interlaced, %d rows", async (height) => {
    const gif = await photo(20, height, { progressive: true });
    expect(parseGif(gif).isInterlaced).toBe(true);
    expect(largestDifference((await decode(gif)).data, await reference(gif))).toBe(0);
  });

  const spec: GifSpec = { width: 9, height: 6, codeBits: 4, index: (x, y) => (x * 5 + y * 3) % 16 };
  /** With a transparent colour, even if no pixel has it, libvips has an alpha channel, and white outside the frame. */
  const unseen = { transparent: 15, index: (x: number, y: number) => (x * 5 + y * 3) % 15 };
  test.each<[string, Partial<GifSpec>]>([
    ["with codes of 2 bits", { codeBits: 2, index: (x, y) => (x + y) & 3 }],
    ["with a local colour table", { local: true }],
    ["with a transparent colour", { transparent: 3 }],
    ["with a frame that covers a part of the canvas", { ...unseen, screen: [20, 15], left: 4, top: 7 }],
    ["with a frame that exceeds the canvas", { ...unseen, screen: [5, 4], left: 2, top: 1 }],
    ["with comments and sub-blocks of one byte", { comment: true, blockBytes: 1 }],
    ["with a clear code before every pixel", { clearEvery: 1 }],
    ["that fills the code table and never clears it", { width: 200, height: 200, codeBits: 8, index: noise }],
    ["of GIF87a", { version: "87a" }],
  ])("%s", async (_, change) => {
    const gif = writeGif({ ...spec, ...change });
    const image = await decode(gif);
    const expected = await reference(gif);
    expect(image.data.length).toBe(expected.length);
    expect(largestDifference(image.data, expected)).toBe(0);
  });

  test("and the size of its frame, if its screen has no pixels", async () => {
    const { width, height } = await decode(writeGif({ ...spec, screen: [0, 0] }));
    expect([width, height]).toEqual([9, 6]);
  });

  test("and is black where an index is beyond the colour table", async () => {
    const { data } = await decode(corpusFile("gif-small-colour-table.gif"));
    // The indices of the first pixels are 0, 5, 10 and 15, of two colours.
    expect([...data.subarray(0, 12)]).toEqual([11, 94, 177, ...new Array<number>(9).fill(0)]);
  });

  test("and is the first frame of an animation", async () => {
    const raw = { width: 8, height: 16, channels: 3, pageHeight: 8 } as const;
    const pixels = Uint8Array.from({ length: 8 * 16 * 3 }, (_, i) => (i < 8 * 8 * 3 ? 250 : 10));
    const gif = await sharp(pixels, { raw }).gif().toBuffer();
    const { width, height, data } = await decode(gif);
    expect([width, height]).toEqual([8, 8]);
    expect(data.every((level) => level > 240)).toBe(true);
  });
});

function noise(x: number, y: number): number {
  return (Math.imul(x * 73 + y * 1009 + 7, 0x9e3779b1) >>> 11) & 255;
}

describe("a GIF is refused", () => {
  const spec: GifSpec = { width: 40, height: 30, codeBits: 8, index: noise };
  const whole = writeGif(spec);
  const changed = (at: number, value: number) => whole.with(at, value);
  const frameAt = whole.length - [...whole].reverse().indexOf(0x3b) - 1;

  test.each<[string, Uint8Array, RegExp]>([
    ["that ends in its header", whole.subarray(0, 9), /ends before its image data/],
    ["that ends in its colour table", whole.subarray(0, 100), /ends before its image data/],
    [
      "whose data are cut",
      whole.subarray(0, frameAt - 200),
      /ends? (within its image data|before the last row)/,
    ],
    ["of another version", changed(4, 0x38), /neither GIF87a nor GIF89a/],
    ["with too few rows", writeGif({ ...spec, announcedHeight: 31 }), /end before the last row/],
    ["without an image", Uint8Array.of(...whole.subarray(0, 13 + 768), 0x3b), /it has no image/],
    ["with an unknown block", Uint8Array.of(...whole.subarray(0, 13 + 768), 0x55), /unknown block 85/],
    ["without a colour table", writeGif({ ...spec, noColours: true }), /no colour table/],
    ["with a frame of no pixels", writeGif({ ...spec, announcedHeight: 0 }), /40x0 pixels/],
    ["with codes of 12 bits", writeGif({ ...spec, announcedCodeBits: 12 }), /begin with 12 bits/],
    ["with a code that is not in the table", writeGif({ ...spec, firstCode: 300 }), /invalid LZW code/],
  ])("%s", async (_, gif, reason) => {
    await expect(decode(gif)).rejects.toMatchObject({ reason: { code: "image_undecodable" } });
    await expect(decode(gif)).rejects.toThrow(reason);
  });

  test("of more pixels than the limit, or interlaced and larger than the memory for decoding, before it is decoded", async () => {
    const many = writeGif({ ...spec, screen: [65_535, 65_535] });
    await expect(decode(many)).rejects.toMatchObject({ reason: { unit: "pixels", measured: 65_535 ** 2 } });
    const large = writeGif({ ...spec, width: 4000, height: 1, announcedHeight: 3000, interlaced: true });
    await expect(decode(large)).rejects.toMatchObject({
      reason: { unit: "decode_bytes", measured: decodeCostBytes(parseGif(large)) },
    });
  });

  test("never with another error, whatever byte is damaged", async () => {
    for (let at = 6; at < whole.length; at += 7) {
      const outcome = await decode(changed(at, whole[at]! ^ 0xff)).catch((error: unknown) => error);
      if (outcome instanceof Error) expect(outcome.name).toBe("ClassifierError");
    }
  });
});

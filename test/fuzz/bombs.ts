/** Files that cost as much as possible per byte, to find the bounds of the work of each decoder. */
import { deflateSync } from "node:zlib";
import { segment } from "../../bench/pictures/jpeg-writer.ts";
import { LzwWriter, subBlocks } from "../support/gif-writer.ts";
import { writePng } from "../support/png-writer.ts";
import { writeVp8 } from "../support/vp8-writer.ts";
import { writeVp8l } from "../support/vp8l-writer.ts";
import { chunk, webpFile } from "../support/webp-writer.ts";
import { listedChoices } from "./choices.ts";
import { ascii, concat, repeated } from "./segments.ts";

const start = [0xff, 0xd8];
const end = [0xff, 0xd9];
const quantisation = segment(0xdb, [0, ...new Array<number>(64).fill(1)]);

/** A table with one code of `bits` zeros, so that data of zeros repeats its symbol. */
const oneCode = (place: number, bits: number, symbol: number) =>
  segment(0xc4, [place, ...Array.from({ length: 16 }, (_, i) => (i + 1 === bits ? 1 : 0)), symbol]);

function frame(width: number, height: number, components: number): number[] {
  const size = [height >> 8, height & 255, width >> 8, width & 255];
  const each = Array.from({ length: components }, (_, i) => [i + 1, 0x11, 0]);
  return segment(0xc2, [8, ...size, components, ...each.flat()]);
}

/** A scan of these components with `bytes` zeros as its data. */
function scan(ids: readonly number[], selection: readonly [number, number, number], bytes: number) {
  const header = [ids.length, ...ids.flatMap((id) => [id, 0]), ...selection];
  return concat(segment(0xda, header), new Uint8Array(bytes));
}

const tablesOf = (acSymbol: number) => concat(oneCode(0x00, 1, 0), oneCode(0x10, 1, acSymbol));

/** A symbol that ends the next 16,384 blocks. */
const longestRun = 0xe0;

/** 50 megapixels, four components, one bit per block and scan: refines the DC coefficients. 12 MiB at 32 scans. */
export function dcRefinementBomb(scans: number, width = 8192, height = 6100): Uint8Array {
  const bytes = Math.ceil((4 * Math.ceil(width / 8) * Math.ceil(height / 8)) / 8);
  const all = [1, 2, 3, 4];
  const refinements = repeated(scan(all, [0, 0, 0x10], bytes), scans - 1);
  const head = concat(start, quantisation, frame(width, height, 4), tablesOf(0));
  return concat(head, scan(all, [0, 0, 1], bytes), refinements, end);
}

/** A few hundred bytes of grey: AC scans that visit every block without any bits. */
export function acRefinementBomb(scans: number, width: number, height: number): Uint8Array {
  const blocks = Math.ceil(width / 8) * Math.ceil(height / 8);
  const refinements = repeated(scan([1], [1, 63, 0x10], 32), scans - 1);
  const head = concat(start, quantisation, frame(width, height, 1), tablesOf(longestRun));
  return concat(head, scan([1], [0, 0, 0], Math.ceil(blocks / 8) + 1), refinements, end);
}

/** As many Huffman tables as fit into `bytes`, each a chain of 16 nodes in a decoder that builds trees. */
export function huffmanTableBomb(bytes: number): Uint8Array {
  const table = oneCode(0x10, 16, 0);
  const tables = repeated(table, Math.floor(bytes / table.length));
  const head = concat(start, quantisation, frame(64, 64, 1));
  return concat(head, tables, tablesOf(longestRun), scan([1], [0, 0, 0], 16), end);
}

/** A PNG of 8 bits whose rows are all zeros and have the same filter: deflate shrinks them a thousand times. */
export function flatPng(width: number, height: number, colourType: 0 | 2 | 6, filter: number): Uint8Array {
  const channels = { 0: 1, 2: 3, 6: 4 }[colourType];
  const rows = Buffer.alloc(height * (width * channels + 1));
  for (let at = 0; at < rows.length; at += width * channels + 1) rows[at] = filter;
  const data = () => new Uint8Array(deflateSync(rows, { level: 9 }));
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, colourType, 0, 0, 0], 8);
  return writePng({ width: 1, height: 1, colourType, bitDepth: 8, header: () => header, data });
}

/**
 * A lossless WebP whose pixels take no bits: one literal per pixel, or after the first block one copy per pixel. All
 * transforms that work on pixels are on.
 */
export function flatLosslessWebp(width: number, height: number, pixels: "literals" | "copies"): Uint8Array {
  const one = (argb: number) => ({ tokens: [{ argb }], cacheBits: 0 });
  const transforms = [
    { type: "predictor", bits: 9, image: one(13 << 8) },
    { type: "colour", bits: 9, image: one(0x112233) },
    { type: "subtractGreen" },
  ] as const;
  // In the first group of prefix codes all pixels are this literal, in the second one this copy.
  const tokens = [{ argb: 0x01020304 }, { length: 1, distance: 2 }];
  const blocks = Math.ceil(width / 512) * Math.ceil(height / 512);
  const map = {
    cacheBits: 0,
    tokens: Array.from({ length: blocks }, (_, i) => ({
      argb: i === 0 || pixels === "literals" ? 0 : 1 << 8,
    })),
  };
  const groups = { bits: 9, image: map, count: 2, ofToken: [0, 1] };
  return webpFile(
    chunk("VP8L", writeVp8l(width, height, true, transforms, { tokens, cacheBits: 0, groups })),
  );
}

/** A lossy WebP of zeros: sixteen predicted subblocks in each macroblock, no coefficients, and every edge is filtered. */
export function flatLossyWebp(width: number, height: number): Uint8Array {
  const spec = { width, height, quantiser: 127, filterLevel: 63, modeBytes: 4, coefficientBytes: 2 };
  return webpFile(chunk("VP8 ", writeVp8(spec, listedChoices([]))));
}

/** A GIF of one colour, in the longest strings that LZW has. */
export function flatGif(width: number, height: number): Uint8Array {
  const uint16 = (value: number) => [value & 255, value >> 8];
  const size = [...uint16(width), ...uint16(height)];
  const writer = new LzwWriter(2);
  writer.clear();
  writer.put(0);
  // Each code stands for the string that it adds: one pixel longer than the last.
  for (let code = writer.nextCode, left = width * height - 1; left > 0; ) {
    writer.put(code);
    left -= code - writer.clearCode;
    code = Math.min(4095, writer.nextCode);
  }
  writer.end();
  const head = [...ascii("GIF89a"), ...size, 0x81, 0, 0, ...new Array<number>(12).fill(90)];
  return concat(head, [0x2c, 0, 0, 0, 0, ...size, 0, 2], subBlocks(writer.bytes()), [0x3b]);
}

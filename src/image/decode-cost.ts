/** Bytes that each decoder holds at once, at its peak, computed from the header before anything is allocated. Pure. */
import { blockGrids, paddedBlocks } from "./block-grid.ts";
import type { JpegHeader } from "./jpeg-header.ts";
import type { Eighths } from "./rgb-image.ts";
import { scaledSize } from "./scaled-decoder.ts";

/**
 * JS heap and backing store of one 8x8 block in jpeg-js: an Int32Array(64) has 256 bytes of coefficients and, measured
 * in V8 12.4, 200 bytes of objects and the pointer to them. (The process grows by 760: V8's own records and malloc.)
 */
const bytesPerBlock = 256 + 200;
/** A sample line in jpeg-js is a Uint8Array of its own, with the same 200 bytes of objects. */
const bytesPerLine = 200;

/**
 * jpeg-js 0.4.4: every coefficient of every component (blocks padded to whole MCUs), the sample lines made from them,
 * the interleaved components, and the RGB result. Not counted: the compressed bytes and one copy of them.
 */
export function jpegJsCostBytes(header: JpegHeader): number {
  const pixels = header.width * header.height;
  const planes = blockGrids(header).reduce(
    (sum, grid) =>
      sum +
      paddedBlocks(grid) * bytesPerBlock +
      grid.blocksPerColumn * 8 * (grid.blocksPerLine * 8 + bytesPerLine),
    0,
  );
  return planes + pixels * header.components.length + pixels * 3;
}

/** Memory of a new instance: the Rust stack of 1 MiB and its data. */
const instanceBytes = 17 * 65_536;
/** Tables, segments and the slack of the allocator and of whole pages. */
const overheadBytes = 12 * 65_536;

/**
 * The WASM decoder, as its memory grows: the compressed bytes, every coefficient of a progressive file (16 bits), the
 * sample planes and the image at the scale of the decode, two MCU rows of coefficients; and grey as RGB outside of it.
 * Not counted: the compressed bytes that the caller holds.
 */
export function scaledCostBytes(header: JpegHeader, compressedBytes: number, eighths: Eighths): number {
  const { width, height } = scaledSize(header, eighths);
  const pixels = width * height;
  const channels = header.components.length;
  const progressive = header.process === "progressive";
  let bytes = instanceBytes + overheadBytes + compressedBytes;
  for (const [i, grid] of blockGrids(header).entries()) {
    const blocks = paddedBlocks(grid);
    bytes += blocks * eighths ** 2 + (progressive ? blocks * 128 : 0);
    bytes += 2 * grid.paddedPerLine * header.components[i]!.v * 128;
  }
  return bytes + pixels * Math.max(channels, 3);
}

/** Huffman tables made ready, and what each row needs. */
const dcOverheadBytes = 256 * 1024;

/** Our own decoder: coefficients (16 bits) and samples of each block, and the RGB result. */
export function dcOnlyCostBytes(header: JpegHeader): number {
  const { width, height } = scaledSize(header, 1);
  const blocks = blockGrids(header).reduce((sum, grid) => sum + paddedBlocks(grid), 0);
  return dcOverheadBytes + blocks * 3 + width * height * 3;
}

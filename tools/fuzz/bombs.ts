/** Files made to cost as much as they can for each byte: what bounds the work of each decoder. */
import { segment } from "./jpeg-writer.ts";
import { concat, repeated } from "./segments.ts";

const start = [0xff, 0xd8];
const end = [0xff, 0xd9];
const quantisation = segment(0xdb, [0, ...new Array<number>(64).fill(1)]);

/** A table of one code of `bits` zeros, which makes data of zeros the same symbol again and again. */
const oneCode = (place: number, bits: number, symbol: number) =>
  segment(0xc4, [place, ...Array.from({ length: 16 }, (_, i) => (i + 1 === bits ? 1 : 0)), symbol]);

function frame(width: number, height: number, components: number): number[] {
  const size = [height >> 8, height & 255, width >> 8, width & 255];
  const each = Array.from({ length: components }, (_, i) => [i + 1, 0x11, 0]);
  return segment(0xc2, [8, ...size, components, ...each.flat()]);
}

function scan(
  ids: readonly number[],
  spectrum: readonly [number, number],
  approximation: number,
  bytes: number,
) {
  const header = [ids.length, ...ids.flatMap((id) => [id, 0]), ...spectrum, approximation];
  return concat(segment(0xda, header), new Uint8Array(bytes));
}

const tablesOf = (acSymbol: number) => concat(oneCode(0x00, 1, 0), oneCode(0x10, 1, acSymbol));

/** End of block for the next 16,384 blocks. */
const longestRun = 0xe0;

/**
 * 50 megapixels of four components, one bit a block and scan: `scans` refinements of the DC coefficients. 12 MiB at 32
 * scans.
 */
export function dcRefinementBomb(scans: number, width = 8192, height = 6100): Uint8Array {
  const blocks = 4 * Math.ceil(width / 8) * Math.ceil(height / 8);
  const bytes = Math.ceil(blocks / 8);
  const all = [1, 2, 3, 4];
  const first = scan(all, [0, 0], 1, bytes);
  const refinement = scan(all, [0, 0], 0x10, bytes);
  return concat(
    start,
    quantisation,
    frame(width, height, 4),
    tablesOf(0),
    first,
    repeated(refinement, scans - 1),
    end,
  );
}

/** Grey; AC scans that visit every block in no bits at all: a few hundred bytes, `scans` visits of each block. */
export function acRefinementBomb(scans: number, width: number, height: number): Uint8Array {
  const blocks = Math.ceil(width / 8) * Math.ceil(height / 8);
  const first = scan([1], [0, 0], 0, Math.ceil(blocks / 8) + 1);
  const refinement = scan([1], [1, 63], 0x10, 32);
  return concat(
    start,
    quantisation,
    frame(width, height, 1),
    tablesOf(longestRun),
    first,
    repeated(refinement, scans - 1),
    end,
  );
}

/** As many Huffman tables as `bytes` hold, each a chain of 16 nodes in a decoder that builds trees. */
export function huffmanTableBomb(bytes: number): Uint8Array {
  const table = oneCode(0x10, 16, 0);
  return concat(
    start,
    quantisation,
    frame(64, 64, 1),
    repeated(table, Math.floor(bytes / table.length)),
    tablesOf(longestRun),
    scan([1], [0, 0], 0, 16),
    end,
  );
}

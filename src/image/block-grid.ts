/** The 8x8 blocks that a frame is made of (ITU-T T.81, A.1 and A.2). Pure. */
import { type JpegHeader, maxSampling } from "./jpeg-header.ts";

/** 8x8 blocks of one component: as coded alone, and padded to whole MCUs, which is what decoders allocate. */
export interface BlockGrid {
  readonly blocksPerLine: number;
  readonly blocksPerColumn: number;
  readonly paddedPerLine: number;
  readonly paddedPerColumn: number;
}

/** MCUs of an interleaved scan of all components. */
export function mcuGrid({ width, height, components }: JpegHeader): { perLine: number; perColumn: number } {
  const { maxH, maxV } = maxSampling(components);
  return { perLine: Math.ceil(width / (8 * maxH)), perColumn: Math.ceil(height / (8 * maxV)) };
}

/** The block grid of each component (T.81 A.2.4). */
export function blockGrids(header: JpegHeader): readonly BlockGrid[] {
  const { width, height, components } = header;
  const { maxH, maxV } = maxSampling(components);
  const mcus = mcuGrid(header);
  return components.map(({ h, v }) => ({
    blocksPerLine: Math.ceil((width * h) / (8 * maxH)),
    blocksPerColumn: Math.ceil((height * v) / (8 * maxV)),
    paddedPerLine: mcus.perLine * h,
    paddedPerColumn: mcus.perColumn * v,
  }));
}

/** Blocks of a component, padded. */
export function paddedBlocks(grid: BlockGrid): number {
  return grid.paddedPerLine * grid.paddedPerColumn;
}

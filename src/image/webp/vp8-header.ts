/** Reads the header of a VP8 key frame (RFC 6386, sections 9 and 19.2). */

import { undecodable } from "../../errors.ts";
import type { Size } from "../rgb-image.ts";
import type { DecodeMemory } from "./decode-memory.ts";
import { BoolDecoder } from "./vp8-bool-decoder.ts";
import {
  acFactors,
  coefficientUpdateProbabilities,
  dcFactors,
  defaultCoefficientProbabilities,
} from "./vp8-tables.ts";

/** Bytes of the frame tag, the start code and the size (section 9.1). */
const uncompressedBytes = 10;
const segments = 4;

/** Places of a segment's factors in Vp8Header.factors. */
export const Factor = { lumaDc: 0, lumaAc: 1, y2Dc: 2, y2Ac: 3, chromaDc: 4, chromaAc: 5 } as const;
/** Factors of a segment. */
export const factorsPerSegment = 6;

/** What the header says about the whole frame. */
export interface Vp8Header extends Size {
  /** Three probabilities of segmentTree, if each macroblock names its segment. Otherwise all are in segment 0. */
  readonly segmentProbabilities: Uint8Array | undefined;
  /** By segment: what coefficients are multiplied by, at the places of Factor. */
  readonly factors: Int16Array;
  readonly filter: LoopFilter;
  /** As in defaultCoefficientProbabilities. */
  readonly coefficientProbabilities: Uint8Array;
  /**
   * Probability that a macroblock is not skipped: 0 to 255. Undefined if none is. A skipped one has no coefficients.
   */
  readonly skipProbability: number | undefined;
  /** The first partition after the header: the modes of the macroblocks. */
  readonly modes: BoolDecoder;
  /** One, two, four or eight partitions with coefficients. Row `y` of macroblocks is in partition y % tokens.length. */
  readonly tokens: readonly BoolDecoder[];
}

/** The settings of the loop filter (section 15). */
export interface LoopFilter {
  readonly isSimple: boolean;
  readonly sharpness: number;
  /**
   * Level of a macroblock, 0 to 63: two per segment, first for macroblocks that are predicted as a whole, then for
   * those that are predicted by subblocks. 0 turns the filter off.
   */
  readonly levels: Uint8Array;
}

/**
 * Reads the size from the uncompressed part of a key frame.
 * @throws ClassifierError image_undecodable
 */
export function vp8Size(data: Uint8Array): Size {
  if (data.length < uncompressedBytes) throw undecodable("its VP8 data ends inside the frame header");
  const tag = frameTag(data);
  if (!tag.isKeyFrame) throw undecodable("its VP8 frame is not a key frame");
  if (tag.version > 3) throw undecodable(`its VP8 version is ${tag.version}; the highest is 3`);
  if (!tag.isShown) throw undecodable("its VP8 frame is not for display");
  if (data[3] !== 0x9d || data[4] !== 0x01 || data[5] !== 0x2a) {
    throw undecodable("its VP8 frame has no start code");
  }
  const size = { width: uint16(data, 6) & 0x3fff, height: uint16(data, 8) & 0x3fff };
  if (size.width === 0 || size.height === 0) {
    throw undecodable(`its VP8 frame has ${size.width}x${size.height} pixels`);
  }
  return size;
}

function frameTag(data: Uint8Array) {
  const bits = uint24(data, 0);
  return {
    isKeyFrame: (bits & 1) === 0,
    version: (bits >> 1) & 7,
    isShown: ((bits >> 4) & 1) === 1,
    firstPartitionBytes: bits >> 5,
  };
}

/** Bytes that readVp8Header allocates. */
export const vp8HeaderBytes: number = defaultCoefficientProbabilities.length + 3 + 2 * 6 * 4 + 2 * 4;

/**
 * Reads the whole frame header.
 * @param data a key frame that vp8Size accepts
 * @throws ClassifierError image_undecodable
 */
export function readVp8Header(data: Uint8Array, memory: DecodeMemory): Vp8Header {
  const size = vp8Size(data);
  const firstPartitionEnd = uncompressedBytes + frameTag(data).firstPartitionBytes;
  if (firstPartitionEnd > data.length) throw undecodable("its VP8 data ends inside the first partition");
  const bools = new BoolDecoder(data, uncompressedBytes, firstPartitionEnd);
  // Colour space and clamping type. Like libwebp, the decoder always clamps.
  bools.literal(2);
  const segmentation = readSegmentation(bools, memory);
  const filter = readLoopFilter(bools, segmentation, memory);
  const partitionBits = bools.literal(2);
  const tokens = tokenPartitions(data, firstPartitionEnd, 1 << partitionBits);
  const factors = readFactors(bools, segmentation, memory);
  // Whether later frames keep the probabilities. There are none.
  bools.flag();
  const coefficientProbabilities = readCoefficientProbabilities(bools, memory);
  const skipProbability = bools.flag() ? bools.literal(8) : undefined;
  if (bools.isExhausted) throw undecodable("its VP8 data ends inside the frame header");
  const { probabilities: segmentProbabilities } = segmentation;
  return {
    ...{ ...size, segmentProbabilities, factors, filter, coefficientProbabilities, skipProbability },
    ...{ modes: bools, tokens },
  };
}

/** Section 9.3. */
interface Segmentation {
  readonly probabilities: Uint8Array | undefined;
  /** Quantiser index and filter level of each segment. Undefined if all have those of the frame. */
  readonly adjustments:
    | { readonly quantisers: readonly number[]; readonly levels: readonly number[] }
    | undefined;
  /** Whether the adjustments replace the values of the frame. Otherwise they are added. */
  readonly isAbsolute: boolean;
}

function readSegmentation(bools: BoolDecoder, memory: DecodeMemory): Segmentation {
  const probabilities = memory.allocate(Uint8Array, 3);
  if (!bools.flag()) return { probabilities: undefined, adjustments: undefined, isAbsolute: false };
  const hasMap = bools.flag();
  const hasAdjustments = bools.flag();
  const isAbsolute = hasAdjustments && bools.flag();
  const each = (bits: number) =>
    Array.from({ length: segments }, () => (hasAdjustments ? bools.optionalSigned(bits) : 0));
  const adjustments = { quantisers: each(7), levels: each(6) };
  if (hasMap) for (let i = 0; i < 3; i++) probabilities[i] = bools.flag() ? bools.literal(8) : 255;
  return { probabilities: hasMap ? probabilities : undefined, adjustments, isAbsolute };
}

/** Sections 9.3, 9.4 and 9.6: the values of the frame and of the macroblocks' segments and modes add up. */
function readLoopFilter(
  bools: BoolDecoder,
  { adjustments, isAbsolute }: Segmentation,
  memory: DecodeMemory,
): LoopFilter {
  const isSimple = bools.flag();
  const frameLevel = bools.literal(6);
  const sharpness = bools.literal(3);
  const deltas = readFilterDeltas(bools);
  const levels = memory.allocate(Uint8Array, 2 * segments);
  // Level 0 of the frame turns the filter off, whatever the segments say.
  for (let i = 0; i < levels.length && frameLevel > 0; i++) {
    const adjustment = adjustments?.levels[i >> 1] ?? 0;
    const segmentLevel = isAbsolute ? adjustment : frameLevel + adjustment;
    const level = segmentLevel + deltas.keyFrame + (i % 2 === 1 ? deltas.subblocks : 0);
    levels[i] = clamp(level, 63);
  }
  return { isSimple, sharpness, levels };
}

/**
 * Four deltas for reference frames, of which the first is for key frames; four for modes, of which the first is for
 * subblocks.
 */
function readFilterDeltas(bools: BoolDecoder): { keyFrame: number; subblocks: number } {
  const hasDeltas = bools.flag();
  const hasUpdate = hasDeltas && bools.flag();
  const deltas = Array.from({ length: 8 }, () => (hasUpdate ? bools.optionalSigned(6) : 0));
  return { keyFrame: deltas[0]!, subblocks: deltas[4]! };
}

/**
 * Sections 9.6 and 14.1. The scaling of Y2 and the limit of chroma are those of dequant_init in section 20.4's dixie.c.
 */
function readFactors(
  bools: BoolDecoder,
  { adjustments, isAbsolute }: Segmentation,
  memory: DecodeMemory,
): Int16Array {
  const frameIndex = bools.literal(7);
  const [lumaDc, y2Dc, y2Ac, chromaDc, chromaAc] = Array.from({ length: 5 }, () => bools.optionalSigned(4));
  const factors = memory.allocate(Int16Array, factorsPerSegment * segments);
  for (let segment = 0; segment < segments; segment++) {
    const adjustment = adjustments?.quantisers[segment] ?? 0;
    const index = isAbsolute ? adjustment : frameIndex + adjustment;
    const at = segment * factorsPerSegment;
    factors[at + Factor.lumaDc] = dcFactors[clamp(index + lumaDc!, 127)]!;
    factors[at + Factor.lumaAc] = acFactors[clamp(index, 127)]!;
    factors[at + Factor.y2Dc] = 2 * dcFactors[clamp(index + y2Dc!, 127)]!;
    factors[at + Factor.y2Ac] = Math.max(8, Math.floor((acFactors[clamp(index + y2Ac!, 127)]! * 155) / 100));
    factors[at + Factor.chromaDc] = Math.min(132, dcFactors[clamp(index + chromaDc!, 127)]!);
    factors[at + Factor.chromaAc] = acFactors[clamp(index + chromaAc!, 127)]!;
  }
  return factors;
}

function clamp(value: number, largest: number): number {
  return Math.min(Math.max(value, 0), largest);
}

/** Section 13.4. */
function readCoefficientProbabilities(bools: BoolDecoder, memory: DecodeMemory): Uint8Array {
  const probabilities = memory.allocate(Uint8Array, defaultCoefficientProbabilities.length);
  for (let i = 0; i < probabilities.length; i++) {
    const isUpdated = bools.bool(coefficientUpdateProbabilities[i]!) === 1;
    probabilities[i] = isUpdated ? bools.literal(8) : defaultCoefficientProbabilities[i]!;
  }
  return probabilities;
}

/**
 * Section 9.5. A partition that the data cuts short is refused when a macroblock needs more than it has, as in libwebp.
 */
function tokenPartitions(data: Uint8Array, sizesAt: number, count: number): readonly BoolDecoder[] {
  const last = count - 1;
  let start = sizesAt + 3 * last;
  const partitions: BoolDecoder[] = [];
  for (let i = 0; i < last && start < data.length; i++) {
    const end = Math.min(data.length, start + uint24(data, sizesAt + 3 * i));
    partitions.push(new BoolDecoder(data, start, end));
    start = end;
  }
  if (start >= data.length) throw undecodable("its VP8 data ends before the last partition of coefficients");
  partitions.push(new BoolDecoder(data, start, data.length));
  return partitions;
}

function uint16(data: Uint8Array, at: number): number {
  return data[at]! | (data[at + 1]! << 8);
}

function uint24(data: Uint8Array, at: number): number {
  return uint16(data, at) | (data[at + 2]! << 16);
}

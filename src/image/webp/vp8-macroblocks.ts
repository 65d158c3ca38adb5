/** Reads the macroblocks of a VP8 key frame: prediction modes and coefficients (RFC 6386, sections 10, 11 and 13). */

import { undecodable } from "../../errors.ts";
import type { DecodeMemory } from "./decode-memory.ts";
import type { BoolDecoder } from "./vp8-bool-decoder.ts";
import { Factor, factorsPerSegment, type Vp8Header } from "./vp8-header.ts";
import {
  BlockMode,
  chromaModeProbabilities,
  chromaModeTree,
  impliedSubblockMode,
  lumaModeProbabilities,
  lumaModeTree,
  Plane,
  segmentTree,
  subblockModeProbabilities,
  subblockModeTree,
} from "./vp8-tables.ts";
import { inverseWalshHadamard } from "./vp8-transforms.ts";

/** Blocks of a macroblock: 16 of luma, 4 of each chroma component, and Y2. */
const blocks = 25;
const y2Block = 24;
/** Neighbours of a macroblock on one side that can have coefficients: 4 of luma, 2 of each chroma component, Y2. */
const neighbours = 9;
const y2Neighbour = 8;

/** Bytes of the arrays of a MacroblockReader. */
export function macroblockReaderBytes(macroblocksPerRow: number): number {
  return (macroblocksPerRow + 1) * (4 + neighbours) + 16 + blocks * (2 * 16 + 1);
}

/** Reads the macroblocks in order. Its fields describe the last one. */
export class MacroblockReader {
  /** A BlockMode. */
  lumaMode = 0;
  /** A BlockMode other than `subblocks`. */
  chromaMode = 0;
  segment = 0;
  hasCoefficients = false;
  /** A SubblockMode for each luma block, if the luma mode is `subblocks`. */
  readonly subblockModes: Uint8Array;
  /** Blocks of 16: luma, blue, red; all row by row. The caller sets them to zero before the next macroblock. */
  readonly coefficients: Int16Array;
  /** Of each block: an index after its last coefficient that differs from zero. */
  readonly extents: Uint8Array;
  readonly #header: Vp8Header;
  #tokens: BoolDecoder;
  /** Subblock modes of the neighbours: four above each macroblock of the row, four to the left of the current one. */
  readonly #modesAbove: Uint8Array;
  readonly #modesLeft: Uint8Array;
  /** Whether neighbours have coefficients, 0 or 1: nine above each macroblock, nine to the left. */
  readonly #coefficientsAbove: Uint8Array;
  readonly #coefficientsLeft: Uint8Array;

  constructor(header: Vp8Header, macroblocksPerRow: number, memory: DecodeMemory) {
    this.#header = header;
    this.#tokens = header.tokens[0]!;
    this.#modesAbove = memory.allocate(Uint8Array, 4 * macroblocksPerRow);
    this.#modesLeft = memory.allocate(Uint8Array, 4);
    this.#coefficientsAbove = memory.allocate(Uint8Array, neighbours * macroblocksPerRow);
    this.#coefficientsLeft = memory.allocate(Uint8Array, neighbours);
    this.subblockModes = memory.allocate(Uint8Array, 16);
    this.coefficients = memory.allocate(Int16Array, 16 * blocks);
    this.extents = memory.allocate(Uint8Array, blocks);
  }

  /** Begins a row of macroblocks. */
  beginRow(row: number): void {
    const { tokens } = this.#header;
    this.#tokens = tokens[row % tokens.length]!;
    this.#modesLeft.fill(0);
    this.#coefficientsLeft.fill(0);
  }

  /**
   * Reads the next macroblock of the row.
   * @param x its column
   * @throws ClassifierError image_undecodable
   */
  read(x: number): void {
    const { modes, segmentProbabilities, skipProbability } = this.#header;
    if (segmentProbabilities) this.segment = modes.tree(segmentTree, segmentProbabilities, 0);
    const isSkipped = skipProbability !== undefined && modes.bool(skipProbability) === 1;
    this.#readModes(x);
    if (isSkipped) this.#skipCoefficients(x);
    else this.#readCoefficients(x);
    if (modes.isExhausted || this.#tokens.isExhausted) throw undecodable("its VP8 data ends too early");
  }

  #readModes(x: number): void {
    const { modes } = this.#header;
    this.lumaMode = modes.tree(lumaModeTree, lumaModeProbabilities, 0);
    if (this.lumaMode === BlockMode.subblocks) {
      this.#readSubblockModes(x);
    } else {
      const implied = impliedSubblockMode[this.lumaMode]!;
      this.#modesAbove.fill(implied, 4 * x, 4 * x + 4);
      this.#modesLeft.fill(implied);
    }
    this.chromaMode = modes.tree(chromaModeTree, chromaModeProbabilities, 0);
  }

  /** Section 11.3. */
  #readSubblockModes(x: number): void {
    const above = this.#modesAbove;
    const left = this.#modesLeft;
    for (let i = 0; i < 16; i++) {
      const column = 4 * x + (i & 3);
      const row = i >> 2;
      const at = (above[column]! * 10 + left[row]!) * 9;
      const mode = this.#header.modes.tree(subblockModeTree, subblockModeProbabilities, at);
      this.subblockModes[i] = mode;
      above[column] = mode;
      left[row] = mode;
    }
  }

  /** Without coefficients, the context of Y2 changes only if the macroblock would have a Y2 block. */
  #skipCoefficients(x: number): void {
    this.hasCoefficients = false;
    this.extents.fill(0);
    const end = this.lumaMode === BlockMode.subblocks ? y2Neighbour : neighbours;
    this.#coefficientsAbove.fill(0, neighbours * x, neighbours * x + end);
    this.#coefficientsLeft.fill(0, 0, end);
  }

  #readCoefficients(x: number): void {
    const { factors } = this.#header;
    const factor = this.segment * factorsPerSegment;
    const above = neighbours * x;
    this.hasCoefficients = false;
    const hasY2 = this.lumaMode !== BlockMode.subblocks;
    if (hasY2) {
      const [dc, ac] = [factors[factor + Factor.y2Dc]!, factors[factor + Factor.y2Ac]!];
      this.#readBlock(y2Block, Plane.y2, above + y2Neighbour, y2Neighbour, 0, dc, ac);
      if (this.extents[y2Block]! > 0) inverseWalshHadamard(this.coefficients, 16 * y2Block);
    }
    const lumaPlane = hasY2 ? Plane.lumaAfterY2 : Plane.luma;
    const lumaDc = factors[factor + Factor.lumaDc]!;
    const lumaAc = factors[factor + Factor.lumaAc]!;
    for (let i = 0; i < 16; i++) {
      this.#readBlock(i, lumaPlane, above + (i & 3), i >> 2, hasY2 ? 1 : 0, lumaDc, lumaAc);
    }
    const chromaDc = factors[factor + Factor.chromaDc]!;
    const chromaAc = factors[factor + Factor.chromaAc]!;
    for (let i = 16; i < y2Block; i++) {
      // Two columns and two rows of each component follow the four of luma.
      const component = i < 20 ? 4 : 6;
      const column = above + component + (i & 1);
      this.#readBlock(i, Plane.chroma, column, component + ((i >> 1) & 1), 0, chromaDc, chromaAc);
    }
  }

  /** @param above index of the neighbour above; likewise `left` */
  #readBlock(
    block: number,
    plane: number,
    above: number,
    left: number,
    first: number,
    dcFactor: number,
    acFactor: number,
  ): void {
    const context = this.#coefficientsAbove[above]! + this.#coefficientsLeft[left]!;
    const { coefficients } = this;
    const { coefficientProbabilities } = this.#header;
    const at = 16 * block;
    const extent = this.#tokens.coefficients(
      coefficientProbabilities,
      plane,
      context,
      first,
      dcFactor,
      acFactor,
      coefficients,
      at,
    );
    const isCoded = extent > first ? 1 : 0;
    this.#coefficientsAbove[above] = isCoded;
    this.#coefficientsLeft[left] = isCoded;
    // Y2 gives a DC coefficient even to a block without coefficients of its own.
    this.extents[block] = extent > 1 ? extent : coefficients[at] !== 0 ? 1 : 0;
    if (this.extents[block] !== 0 && block !== y2Block) this.hasCoefficients = true;
  }
}

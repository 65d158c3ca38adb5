/**
 * Writes VP8 key frames with any header (RFC 6386, section 9). Modes and coefficients are random bytes: every sequence
 * of bytes decodes to something, with frequencies as in photographs, because the probabilities decide what the bytes
 * mean.
 */
import { coefficientUpdateProbabilities } from "../../src/image/webp/vp8-tables.ts";
import { type Choices, randomBytes } from "../fuzz/choices.ts";

/** Values of the four segments. */
interface Segmentation {
  /** Three probabilities, if each macroblock names its segment. */
  readonly map?: readonly number[] | undefined;
  /** Four quantisers, -127 to 127, and four filter levels, -63 to 63. */
  readonly values?: {
    readonly isAbsolute: boolean;
    readonly quantisers: readonly number[];
    readonly levels: readonly number[];
  };
}

/** The header of a key frame. Absent fields are off or 0. */
export interface Vp8Spec {
  readonly width: number;
  readonly height: number;
  /** Quantiser index, 0 to 127, and what is added to it for Y DC, Y2 DC, Y2 AC, chroma DC, chroma AC: -15 to 15. */
  readonly quantiser: number;
  readonly quantiserDeltas?: readonly number[];
  readonly segmentation?: Segmentation | undefined;
  readonly hasSimpleFilter?: boolean;
  /** 0 to 63. */
  readonly filterLevel?: number;
  /** 0 to 7. */
  readonly sharpness?: number;
  /** Four for reference frames, four for modes: -63 to 63. */
  readonly filterDeltas?: readonly number[] | undefined;
  /** Number of partitions with coefficients, as a power of two: 0 to 3. */
  readonly partitionBits?: number;
  /** New coefficient probabilities by index. */
  readonly probabilities?: ReadonlyMap<number, number>;
  /** 0 to 255. */
  readonly skipProbability?: number | undefined;
  /** Bytes of modes and of coefficients per macroblock. Default: more than any data needs. */
  readonly modeBytes?: number;
  readonly coefficientBytes?: number;
}

/** The content of a VP8 chunk. */
export function writeVp8(spec: Vp8Spec, choices: Choices): Uint8Array {
  const { width, height, partitionBits = 0, modeBytes = 60, coefficientBytes = 900 } = spec;
  const rows = Math.ceil(height / 16);
  const macroblocks = rows * Math.ceil(width / 16);
  const first = [...headerOf(spec), ...randomBytes(choices, Math.ceil(modeBytes * macroblocks) + 100)];
  const partitionBytes =
    Math.ceil((coefficientBytes * macroblocks) / Math.min(rows, 1 << partitionBits)) + 100;
  const partitions = Array.from({ length: 1 << partitionBits }, () => {
    // The only exception: no encoder begins with 255, because the first interval ends below it.
    return [choices.below(255), ...randomBytes(choices, partitionBytes)];
  });
  const tag = (first.length << 5) | 0x10;
  return Uint8Array.from([
    ...[tag & 255, (tag >> 8) & 255, tag >> 16, 0x9d, 0x01, 0x2a],
    ...[width & 255, width >> 8, height & 255, height >> 8],
    ...first,
    ...partitions.slice(0, -1).flatMap(({ length }) => [length & 255, (length >> 8) & 255, length >> 16]),
    ...partitions.flat(),
  ]);
}

function headerOf(spec: Vp8Spec): number[] {
  const bools = new BoolWriter();
  bools.literal(0, 2);
  writeSegmentation(bools, spec.segmentation);
  bools.flag(spec.hasSimpleFilter ?? false);
  bools.literal(spec.filterLevel ?? 0, 6);
  bools.literal(spec.sharpness ?? 0, 3);
  bools.flag(spec.filterDeltas !== undefined);
  if (spec.filterDeltas) {
    bools.flag(true);
    for (const delta of spec.filterDeltas) bools.optionalSigned(delta, 6);
  }
  bools.literal(spec.partitionBits ?? 0, 2);
  bools.literal(spec.quantiser, 7);
  for (const delta of spec.quantiserDeltas ?? [0, 0, 0, 0, 0]) bools.optionalSigned(delta, 4);
  bools.flag(false);
  for (const [i, update] of coefficientUpdateProbabilities.entries()) {
    const probability = spec.probabilities?.get(i);
    bools.bool(probability === undefined ? 0 : 1, update);
    if (probability !== undefined) bools.literal(probability, 8);
  }
  bools.flag(spec.skipProbability !== undefined);
  if (spec.skipProbability !== undefined) bools.literal(spec.skipProbability, 8);
  return bools.finish();
}

function writeSegmentation(bools: BoolWriter, segmentation: Segmentation | undefined): void {
  bools.flag(segmentation !== undefined);
  if (!segmentation) return;
  const { map, values } = segmentation;
  bools.flag(map !== undefined);
  bools.flag(values !== undefined);
  if (values) {
    bools.flag(values.isAbsolute);
    for (const quantiser of values.quantisers) bools.optionalSigned(quantiser, 7);
    for (const level of values.levels) bools.optionalSigned(level, 6);
  }
  for (const probability of map ?? []) {
    bools.flag(true);
    bools.literal(probability, 8);
  }
}

/** The arithmetic encoder of section 7.3. */
class BoolWriter {
  readonly #output: number[] = [];
  #range = 255;
  /** The lower end of the interval: 32 bits, the highest of which is a carry. */
  #bottom = 0;
  #shiftsToByte = 24;

  bool(bit: number, probability: number): void {
    const split = 1 + (((this.#range - 1) * probability) >> 8);
    if (bit === 1) {
      this.#bottom += split;
      this.#range -= split;
    } else {
      this.#range = split;
    }
    for (; this.#range < 128; this.#range *= 2) {
      if (this.#bottom >= 2 ** 31) this.#carry();
      this.#bottom = (this.#bottom * 2) % 2 ** 32;
      if (--this.#shiftsToByte > 0) continue;
      this.#output.push(Math.floor(this.#bottom / 2 ** 24));
      this.#bottom %= 2 ** 24;
      this.#shiftsToByte = 8;
    }
  }

  flag(value: boolean): void {
    this.bool(value ? 1 : 0, 128);
  }

  literal(value: number, bits: number): void {
    for (let i = bits - 1; i >= 0; i--) this.bool((value >> i) & 1, 128);
  }

  optionalSigned(value: number, bits: number): void {
    this.flag(value !== 0);
    if (value === 0) return;
    this.literal(Math.abs(value), bits);
    this.flag(value < 0);
  }

  /** Writes what remains, 32 more bits than needed. */
  finish(): number[] {
    for (let i = 0; i < 32; i++) this.flag(false);
    return this.#output;
  }

  #carry(): void {
    let at = this.#output.length - 1;
    while (this.#output[at] === 255) this.#output[at--] = 0;
    this.#output[at]!++;
  }
}

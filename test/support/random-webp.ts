/** Valid VP8 and VP8L data of random structure, to compare with libwebp. */
import { type Choices, pick } from "../fuzz/choices.ts";
import type { Vp8Spec } from "./vp8-writer.ts";
import type { CodedImage, MainImage, Token, WrittenTransform } from "./vp8l-writer.ts";

/** A number in [least, most]. */
const between = (choices: Choices, least: number, most: number) => least + choices.below(most - least + 1);
const often = (choices: Choices) => choices.below(3) > 0;

/**
 * Chooses a header. Quantisers are small and the largest coefficients rare, so that no product exceeds 16 bits:
 * libwebp's results then depend on the processor.
 */
export function randomVp8Spec(choices: Choices, width: number, height: number): Vp8Spec {
  const signed = (most: number) => between(choices, -most, most);
  const four = (value: () => number) => Array.from({ length: 4 }, value);
  const isAbsolute = choices.below(2) === 0;
  const probabilities = new Map<number, number>();
  for (let i = 0; i < 4 * 8 * 3 * 11; i++) {
    // Node 8 of a context leads to the two categories of large values.
    if (i % 11 === 8) probabilities.set(i, 255);
    else if (choices.below(20) === 0) probabilities.set(i, between(choices, 1, 255));
  }
  return {
    ...{ width, height, probabilities },
    quantiser: choices.below(24),
    quantiserDeltas: often(choices) ? Array.from({ length: 5 }, () => signed(15)) : [0, 0, 0, 0, 0],
    segmentation: often(choices)
      ? {
          map: often(choices) ? four(() => between(choices, 1, 255)).slice(1) : undefined,
          values: {
            isAbsolute,
            quantisers: four(() => (isAbsolute ? choices.below(24) : signed(12))),
            levels: four(() => (isAbsolute ? choices.below(64) : signed(20))),
          },
        }
      : undefined,
    hasSimpleFilter: choices.below(3) === 0,
    filterLevel: choices.below(64),
    sharpness: choices.below(8),
    filterDeltas: often(choices) ? Array.from({ length: 8 }, () => signed(30)) : undefined,
    partitionBits: choices.below(4),
    skipProbability: often(choices) ? choices.below(256) : undefined,
  };
}

/** Transforms and the main image of a VP8L stream. */
export interface RandomVp8l {
  readonly transforms: readonly WrittenTransform[];
  readonly image: MainImage;
}

/** Chooses transforms in a random order, and an image with copies, cache indices and groups of prefix codes. */
export function randomVp8l(choices: Choices, width: number, height: number): RandomVp8l {
  let codedWidth = width;
  const transforms: WrittenTransform[] = [];
  for (const type of shuffled(choices, ["predictor", "colour", "subtractGreen", "colourIndexing"] as const)) {
    if (!often(choices)) continue;
    if (type === "subtractGreen") {
      transforms.push({ type });
    } else if (type === "colourIndexing") {
      const colours = pick(choices, [1, 2, 3, 4, 5, 16, 17, 200, 256]);
      transforms.push({ type, colours, image: randomImage(choices, colours, 1) });
      codedWidth = Math.ceil(codedWidth / (colours <= 2 ? 8 : colours <= 4 ? 4 : colours <= 16 ? 2 : 1));
    } else {
      const bits = between(choices, 2, 9);
      const image = randomImage(choices, Math.ceil(codedWidth / 2 ** bits), Math.ceil(height / 2 ** bits));
      transforms.push({ type, bits, image });
    }
  }
  const image = randomImage(choices, codedWidth, height);
  return { transforms, image: often(choices) ? grouped(choices, image, codedWidth, height) : image };
}

function shuffled<T>(choices: Choices, values: readonly T[]): T[] {
  const rest = [...values];
  return values.map(() => rest.splice(choices.below(rest.length), 1)[0]!);
}

function randomImage(choices: Choices, width: number, height: number): CodedImage {
  const cacheBits = choices.below(2) === 0 ? 0 : between(choices, 1, 11);
  // Few different values, so that codes of few symbols occur.
  const levels = pick(choices, [1, 2, 5, 40, 256]);
  const level = () => Math.floor((choices.below(levels) * 255) / Math.max(1, levels - 1));
  const tokens: Token[] = [];
  const pixels = width * height;
  for (let position = 0; position < pixels; ) {
    const kind = choices.below(8);
    if (kind === 0 && position > 0) {
      const length = Math.min(pixels - position, pick(choices, [1, 2, 3, 5, 8, 20, 100, 4096]));
      tokens.push({ length, distance: randomDistance(choices, position, width) });
      position += length;
      continue;
    }
    if (kind === 1 && cacheBits > 0) tokens.push({ cacheIndex: choices.below(1 << cacheBits) });
    else tokens.push({ argb: (level() << 24) | (level() << 16) | (level() << 8) | level() });
    position++;
  }
  return { tokens, cacheBits, hasUnevenCodes: choices.below(3) === 0 };
}

/** The values 1 to 120 mean pixels up to 7 rows above. Larger ones are distances plus 120. */
function randomDistance(choices: Choices, position: number, width: number): number {
  if (often(choices) && position >= 7 * width + 8) return between(choices, 1, 120);
  return 120 + between(choices, 1, position);
}

/** Assigns up to four groups to blocks. Their numbers have gaps: codes of unused groups are written, too. */
function grouped(choices: Choices, image: CodedImage, width: number, height: number): MainImage {
  const bits = between(choices, 2, 6);
  const blocksPerRow = Math.ceil(width / 2 ** bits);
  const blocks = blocksPerRow * Math.ceil(height / 2 ** bits);
  const groups = Array.from({ length: blocks }, () => pick(choices, [0, 1, 3, 7]));
  const ofToken: number[] = [];
  let position = 0;
  for (const token of image.tokens) {
    const [x, y] = [position % width, Math.floor(position / width)];
    ofToken.push(groups[(y >> bits) * blocksPerRow + (x >> bits)]!);
    position += "length" in token ? token.length : 1;
  }
  const map = { cacheBits: 0, tokens: groups.map((group): Token => ({ argb: group << 8 })) };
  return { ...image, groups: { bits, image: map, count: Math.max(...groups) + 1, ofToken } };
}

/**
 * Writes VP8L streams of any structure (RFC 9649, section 3): transforms in any order, groups of prefix codes, colour
 * caches, copies. It codes what it is given and knows nothing of pixels: a decoder finds out what they are.
 */

/** One coded pixel, copy or cache index. */
export type Token =
  | { readonly argb: number }
  /** Values before prefix coding: the length, 1 to 4096, and the distance value, 1 to 2^20. */
  | { readonly length: number; readonly distance: number }
  | { readonly cacheIndex: number };

/** An image within a stream. */
export interface CodedImage {
  readonly tokens: readonly Token[];
  /** 1 to 11. 0 for no cache. */
  readonly cacheBits: number;
  /** By its codes, of every group. Uneven codes have codewords of up to 15 bits. */
  readonly hasUnevenCodes?: boolean;
}

/** A transform with its image. `bits` is 2 to 9. */
export type WrittenTransform =
  | { readonly type: "predictor" | "colour"; readonly bits: number; readonly image: CodedImage }
  | { readonly type: "subtractGreen" }
  | { readonly type: "colourIndexing"; readonly colours: number; readonly image: CodedImage };

/** The main image. */
export interface MainImage extends CodedImage {
  /** Group of each token, and the image that assigns groups to blocks. */
  readonly groups?: {
    readonly bits: number;
    readonly image: CodedImage;
    readonly count: number;
    readonly ofToken: readonly number[];
  };
}

/** The content of a VP8L chunk. */
export function writeVp8l(
  width: number,
  height: number,
  hasAlpha: boolean,
  transforms: readonly WrittenTransform[],
  image: MainImage,
): Uint8Array {
  const bits = new BitWriter();
  bits.write(0x2f, 8);
  bits.write(width - 1, 14);
  bits.write(height - 1, 14);
  bits.write(hasAlpha ? 1 : 0, 1);
  bits.write(0, 3);
  writeStream(bits, transforms, image);
  return bits.bytes();
}

/** The content of a VP8L chunk after its header, as in an ALPH chunk. */
export function writeVp8lStream(transforms: readonly WrittenTransform[], image: MainImage): Uint8Array {
  const bits = new BitWriter();
  writeStream(bits, transforms, image);
  return bits.bytes();
}

const transformTypes = { predictor: 0, colour: 1, subtractGreen: 2, colourIndexing: 3 } as const;

function writeStream(bits: BitWriter, transforms: readonly WrittenTransform[], image: MainImage): void {
  for (const transform of transforms) {
    bits.write(1, 1);
    bits.write(transformTypes[transform.type], 2);
    if (transform.type === "subtractGreen") continue;
    if (transform.type === "colourIndexing") bits.write(transform.colours - 1, 8);
    else bits.write(transform.bits - 2, 3);
    writeCacheBits(bits, transform.image);
    writeTokens(bits, transform.image);
  }
  bits.write(0, 1);
  writeCacheBits(bits, image);
  bits.write(image.groups ? 1 : 0, 1);
  if (image.groups) {
    bits.write(image.groups.bits - 2, 3);
    writeCacheBits(bits, image.groups.image);
    writeTokens(bits, image.groups.image);
  }
  writeTokens(bits, image);
}

function writeCacheBits(bits: BitWriter, { cacheBits }: CodedImage): void {
  bits.write(cacheBits > 0 ? 1 : 0, 1);
  if (cacheBits > 0) bits.write(cacheBits, 4);
}

const literals = 256;
const lengthCodes = 24;
const distanceCodes = 40;

/** Writes the codes of all groups, then the tokens. */
function writeTokens(bits: BitWriter, { tokens, cacheBits, hasUnevenCodes, groups }: MainImage): void {
  const greenSymbols = literals + lengthCodes + (cacheBits > 0 ? 1 << cacheBits : 0);
  const alphabets = [greenSymbols, 256, 256, 256, distanceCodes];
  const coded = tokens.map((token, i) => ({ group: groups?.ofToken[i] ?? 0, symbols: symbolsOf(token) }));
  const codes = Array.from({ length: groups?.count ?? 1 }, (_, group) => {
    const used = alphabets.map(() => new Set<number>());
    for (const token of coded) {
      if (token.group !== group) continue;
      for (const { alphabet, symbol } of token.symbols) used[alphabet]!.add(symbol);
    }
    return alphabets.map((size, i) => new PrefixCode(size, [...used[i]!], hasUnevenCodes ?? false));
  });
  for (const code of codes.flat()) code.writeLengths(bits);
  for (const { group, symbols } of coded) {
    for (const { alphabet, symbol, extra, extraBits } of symbols) {
      codes[group]![alphabet]!.write(bits, symbol);
      bits.write(extra, extraBits);
    }
  }
}

/** A symbol of one of the five codes, and the bits after it. */
interface CodedSymbol {
  /** 0 green, 1 red, 2 blue, 3 alpha, 4 distance. */
  readonly alphabet: number;
  readonly symbol: number;
  readonly extra: number;
  readonly extraBits: number;
}

function symbolsOf(token: Token): readonly CodedSymbol[] {
  const plain = (alphabet: number, symbol: number) => ({ alphabet, symbol, extra: 0, extraBits: 0 });
  if ("argb" in token) {
    const { argb } = token;
    return [
      plain(0, (argb >> 8) & 255),
      plain(1, (argb >> 16) & 255),
      plain(2, argb & 255),
      plain(3, argb >>> 24),
    ];
  }
  if ("cacheIndex" in token) return [plain(0, literals + lengthCodes + token.cacheIndex)];
  const length = prefixed(token.length);
  return [
    { ...length, alphabet: 0, symbol: literals + length.symbol },
    { ...prefixed(token.distance), alphabet: 4 },
  ];
}

/** Splits a value into its prefix symbol and extra bits (section 3.6.2). */
function prefixed(value: number): { symbol: number; extra: number; extraBits: number } {
  if (value <= 4) return { symbol: value - 1, extra: 0, extraBits: 0 };
  const highest = 31 - Math.clz32(value - 1);
  const second = ((value - 1) >> (highest - 1)) & 1;
  const extraBits = highest - 1;
  return { symbol: 2 * highest + second, extra: (value - 1) & ((1 << extraBits) - 1), extraBits };
}

/** A prefix code of the symbols that occur. */
class PrefixCode {
  readonly #lengths: Uint8Array;
  readonly #codewords = new Map<number, number>();

  constructor(alphabet: number, used: readonly number[], isUneven: boolean) {
    this.#lengths = new Uint8Array(alphabet);
    const symbols = used.length > 0 ? [...used].sort((a, b) => a - b) : [0];
    const lengths = isUneven ? unevenLengths(symbols.length) : evenLengths(symbols.length);
    for (const [i, symbol] of symbols.entries()) this.#lengths[symbol] = lengths[i]!;
    let codeword = 0;
    for (let length = 1; length <= 15; length++, codeword *= 2) {
      for (const symbol of symbols) {
        if (this.#lengths[symbol] === length) this.#codewords.set(symbol, codeword++);
      }
    }
    // The only symbol of a code takes no bits.
    if (symbols.length === 1) this.#codewords.clear();
  }

  /** Codes for lengths 0 to 15 have 4 bits each; runs of zeros are not shortened. One or two symbols: a simple code. */
  writeLengths(bits: BitWriter): void {
    const symbols = [...this.#lengths.keys()].filter((symbol) => this.#lengths[symbol]! > 0);
    if (symbols.length <= 2 && symbols.every((symbol) => symbol < 256)) {
      bits.write(1, 1);
      bits.write(symbols.length - 1, 1);
      const isShort = symbols[0]! < 2;
      bits.write(isShort ? 0 : 1, 1);
      bits.write(symbols[0]!, isShort ? 1 : 8);
      if (symbols.length === 2) bits.write(symbols[1]!, 8);
      return;
    }
    bits.write(0, 1);
    bits.write(15, 4);
    // The order of section 3.7.2: 17, 18, 0 to 5, 16, 6 to 15.
    for (const length of [0, 0, 4, 4, 4, 4, 4, 4, 0, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4]) bits.write(length, 3);
    bits.write(0, 1);
    for (const length of this.#lengths) bits.writeReversed(length, 4);
  }

  write(bits: BitWriter, symbol: number): void {
    const codeword = this.#codewords.get(symbol);
    if (codeword !== undefined) bits.writeReversed(codeword, this.#lengths[symbol]!);
  }
}

/** Lengths of a complete code whose codewords differ by at most one bit. */
function evenLengths(count: number): number[] {
  if (count === 1) return [1];
  const short = Math.floor(Math.log2(count));
  const shortCount = 2 ** (short + 1) - count;
  return Array.from({ length: count }, (_, i) => (i < shortCount ? short : short + 1));
}

/** Lengths of a complete code in which the first symbols have 1, 2, 3 ... bits, as far as the others fit into 15. */
function unevenLengths(count: number): number[] {
  const lengths: number[] = [];
  while (
    count - lengths.length > 2 &&
    Math.ceil(Math.log2(count - lengths.length - 1)) + lengths.length + 1 < 15
  ) {
    lengths.push(lengths.length + 1);
  }
  const skipped = lengths.length;
  return [...lengths, ...evenLengths(count - skipped).map((length) => length + skipped)];
}

/** Writes bits, the lowest bit of each byte first. */
class BitWriter {
  readonly #bits: number[] = [];

  write(value: number, length: number): void {
    for (let i = 0; i < length; i++) this.#bits.push((value >> i) & 1);
  }

  writeReversed(value: number, length: number): void {
    for (let i = length - 1; i >= 0; i--) this.#bits.push((value >> i) & 1);
  }

  bytes(): Uint8Array {
    const bytes = new Uint8Array(Math.ceil(this.#bits.length / 8));
    for (const [i, bit] of this.#bits.entries()) bytes[i >> 3]! |= bit << (i & 7);
    return bytes;
  }
}

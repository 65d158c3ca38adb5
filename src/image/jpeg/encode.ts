/**
 * Writes small baseline JPEGs (ITU-T T.81), for thumbnails. Chroma is not subsampled, and all components share the Huffman
 * tables of luminance, so that an MCU is one block of each component.
 */
import { checkLimit, type RgbImage } from "../rgb-image.ts";
import { zigzag } from "./entropy-reader.ts";

/** Pixels of an image: an encoder holds all of its output. */
export const maxEncodedPixels = 1024 * 1024;

/** Quantisation of luminance, row by row (T.81, table K.1). */
const luminanceSteps = [
  16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22,
  29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103,
  121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
];
/** Quantisation of chrominance: 99, except for the lowest frequencies (T.81, table K.2). */
const chrominanceCorner = [17, 18, 24, 47, 18, 21, 26, 66, 24, 26, 56, 99, 47, 66, 99, 99];
const chrominanceSteps = Array.from({ length: 64 }, (_, i) =>
  i % 8 < 4 && i < 32 ? chrominanceCorner[(i >> 3) * 4 + (i % 8)]! : 99,
);

/** Number of codes of 1 to 16 bits, and their symbols (T.81, tables K.3 and K.5). */
const dcCodes = {
  counts: [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0],
  symbols: "000102030405060708090a0b",
};
const acCodes = {
  counts: [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125],
  symbols:
    "01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a25262728292a3435363738393a" +
    "434445464748494a535455565758595a636465666768696a737475767778797a838485868788898a92939495969798999aa2a3a4a5a6a7a8a9" +
    "aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa",
};

/** The codes by symbol, and their lengths in bits. */
interface HuffmanTable {
  readonly counts: readonly number[];
  readonly symbols: readonly number[];
  readonly codes: Uint16Array;
  readonly lengths: Uint8Array;
}

/**
 * Encodes an image.
 * @param quality 1 to 100, as libjpeg counts it
 * @throws ClassifierError image_too_large (pixels)
 */
export function encodeJpeg(image: RgbImage, quality: number): Uint8Array {
  const { width, height } = image;
  checkLimit("pixels", width * height, maxEncodedPixels);
  const quantisers = [luminanceSteps, chrominanceSteps].map((steps) => scaledSteps(steps, quality));
  const tables = [huffmanTable(dcCodes), huffmanTable(acCodes)] as const;
  const out = new BitWriter(tables);
  out.bytes([0xff, 0xd8]);
  for (const [id, steps] of quantisers.entries()) {
    out.segment(0xdb, [id, ...Array.from({ length: 64 }, (_, k) => steps[zigzag[k]!]!)]);
  }
  const components = [0, 1, 1].flatMap((quantiser, i) => [i + 1, 0x11, quantiser]);
  out.segment(0xc0, [8, height >> 8, height & 255, width >> 8, width & 255, 3, ...components]);
  for (const [kind, { counts, symbols }] of tables.entries()) {
    out.segment(0xc4, [kind << 4, ...counts, ...symbols]);
  }
  out.segment(0xda, [3, 1, 0, 2, 0, 3, 0, 0, 63, 0]);
  encodeBlocks(image, quantisers, out);
  return out.finish();
}

/** Scales a table by quality as libjpeg does (jcparam.c). */
function scaledSteps(steps: readonly number[], quality: number): number[] {
  const percent = quality < 50 ? 5000 / quality : 200 - 2 * quality;
  return steps.map((step) => Math.min(255, Math.max(1, Math.floor((step * percent + 50) / 100))));
}

/** Assigns the codes in order of their symbols (T.81, annex C). */
function huffmanTable({
  counts,
  symbols: hex,
}: {
  readonly counts: readonly number[];
  readonly symbols: string;
}): HuffmanTable {
  const symbols = hex.match(/../g)!.map((digits) => Number.parseInt(digits, 16));
  const codes = new Uint16Array(256);
  const lengths = new Uint8Array(256);
  let [code, next] = [0, 0];
  for (const [i, count] of counts.entries()) {
    for (let n = 0; n < count; n++) {
      const symbol = symbols[next++]!;
      codes[symbol] = code++;
      lengths[symbol] = i + 1;
    }
    code <<= 1;
  }
  return { counts, symbols, codes, lengths };
}

function encodeBlocks(
  { width, height, data }: RgbImage,
  quantisers: readonly (readonly number[])[],
  out: BitWriter,
): void {
  const planes = [new Float32Array(64), new Float32Array(64), new Float32Array(64)] as const;
  const predictions = [0, 0, 0];
  const block = new Int16Array(64);
  for (let top = 0; top < height; top += 8) {
    for (let left = 0; left < width; left += 8) {
      for (let i = 0; i < 64; i++) {
        // The last row and column repeat in blocks that the image does not fill.
        const y = Math.min(top + (i >> 3), height - 1);
        const x = Math.min(left + (i & 7), width - 1);
        const at = 3 * (y * width + x);
        const [r, g, b] = [data[at]!, data[at + 1]!, data[at + 2]!];
        // JFIF 1.02, shifted by -128.
        planes[0][i] = 0.299 * r + 0.587 * g + 0.114 * b - 128;
        planes[1][i] = -0.168736 * r - 0.331264 * g + 0.5 * b;
        planes[2][i] = 0.5 * r - 0.418688 * g - 0.081312 * b;
      }
      for (const [c, plane] of planes.entries()) {
        forwardDct(plane);
        const steps = quantisers[c === 0 ? 0 : 1]!;
        for (let k = 0; k < 64; k++) {
          const place = zigzag[k]!;
          block[k] = Math.round(plane[place]! / steps[place]!);
        }
        out.block(block, predictions[c]!);
        predictions[c] = block[0]!;
      }
    }
  }
}

/** cos((2x + 1) u pi / 16), with the scale of the transform: [u, x]. */
const cosines = Float32Array.from({ length: 64 }, (_, i) => {
  const [u, x] = [i >> 3, i & 7];
  return Math.cos(((2 * x + 1) * u * Math.PI) / 16) * (u === 0 ? Math.SQRT1_2 : 1) * 0.5;
});
const rows = new Float32Array(64);

/** The forward DCT of a block in place (T.81, A.3.3): rows, then columns. */
function forwardDct(block: Float32Array): void {
  for (let y = 0; y < 8; y++) {
    for (let u = 0; u < 8; u++) {
      let sum = 0;
      for (let x = 0; x < 8; x++) sum += block[8 * y + x]! * cosines[8 * u + x]!;
      rows[8 * y + u] = sum;
    }
  }
  for (let u = 0; u < 8; u++) {
    for (let v = 0; v < 8; v++) {
      let sum = 0;
      for (let y = 0; y < 8; y++) sum += rows[8 * y + u]! * cosines[8 * v + y]!;
      block[8 * v + u] = sum;
    }
  }
}

/** Writes segments, then the entropy-coded bits. */
class BitWriter {
  readonly #dc: HuffmanTable;
  readonly #ac: HuffmanTable;
  #buffer = new Uint8Array(4096);
  #length = 0;
  #bits = 0;
  #bitCount = 0;

  constructor([dc, ac]: readonly [HuffmanTable, HuffmanTable]) {
    this.#dc = dc;
    this.#ac = ac;
  }

  bytes(values: readonly number[]): void {
    for (const value of values) this.#byte(value);
  }

  segment(marker: number, body: readonly number[]): void {
    const length = body.length + 2;
    this.bytes([0xff, marker, length >> 8, length & 255, ...body]);
  }

  /** Writes the coefficients of a block in zigzag order (T.81, F.1.2). */
  block(block: Int16Array, prediction: number): void {
    this.#value(this.#dc, 0, block[0]! - prediction);
    let zeros = 0;
    for (let k = 1; k < 64; k++) {
      if (block[k] === 0) {
        zeros++;
        continue;
      }
      for (; zeros > 15; zeros -= 16) this.#code(this.#ac, 0xf0);
      this.#value(this.#ac, zeros << 4, block[k]!);
      zeros = 0;
    }
    if (zeros > 0) this.#code(this.#ac, 0);
  }

  /** Writes the code of a run and a size, then the bits of the value. A negative value is one less, in so many bits. */
  #value(table: HuffmanTable, run: number, value: number): void {
    const size = 32 - Math.clz32(Math.abs(value));
    this.#code(table, run | size);
    this.#put(value < 0 ? value + (1 << size) - 1 : value, size);
  }

  #code({ codes, lengths }: HuffmanTable, symbol: number): void {
    this.#put(codes[symbol]!, lengths[symbol]!);
  }

  #put(value: number, count: number): void {
    this.#bits = (this.#bits << count) | value;
    this.#bitCount += count;
    while (this.#bitCount >= 8) {
      this.#bitCount -= 8;
      const byte = (this.#bits >> this.#bitCount) & 255;
      this.#byte(byte);
      // A zero byte tells data from a marker.
      if (byte === 255) this.#byte(0);
    }
  }

  #byte(value: number): void {
    if (this.#length === this.#buffer.length) {
      const larger = new Uint8Array(2 * this.#length);
      larger.set(this.#buffer);
      this.#buffer = larger;
    }
    this.#buffer[this.#length++] = value;
  }

  /** Fills the last byte with ones, and returns the file. */
  finish(): Uint8Array {
    if (this.#bitCount > 0) this.#put((1 << (8 - this.#bitCount)) - 1, 8 - this.#bitCount);
    this.bytes([0xff, 0xd9]);
    return this.#buffer.slice(0, this.#length);
  }
}

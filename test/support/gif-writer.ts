/** Writes GIFs of any structure, with an LZW encoder of its own. */
export interface GifSpec {
  readonly width: number;
  readonly height: number;
  /** Bits of a colour index. */
  readonly codeBits: number;
  readonly index: (x: number, y: number) => number;
  /** Size of the canvas. Default: the frame's. */
  readonly screen?: readonly [number, number];
  readonly left?: number;
  readonly top?: number;
  readonly interlaced?: boolean;
  /** Whether the colours are in a local table. The global one then has other colours. */
  readonly local?: boolean;
  readonly noColours?: boolean;
  readonly transparent?: number;
  readonly comment?: boolean;
  /** Largest sub-block. Default: 255. */
  readonly blockBytes?: number;
  /** Pixels between clear codes. Default: one clear code at the start. */
  readonly clearEvery?: number;
  readonly version?: "87a" | "89a";
  /** What the header says, where that is wrong. */
  readonly announcedHeight?: number;
  readonly announcedCodeBits?: number;
  /** A code instead of the first one after the clear code. */
  readonly firstCode?: number;
}

export function writeGif(spec: GifSpec): Uint8Array {
  const { width, height, codeBits, left = 0, top = 0, version = "89a" } = spec;
  const [screenWidth, screenHeight] = spec.screen ?? [width, height];
  const colours = Array.from({ length: 3 << codeBits }, (_, i) => (i * 83 + 11) & 255);
  const table = 0x80 | (codeBits - 1);
  const bytes = [...Buffer.from(`GIF${version}`), ...uint16(screenWidth), ...uint16(screenHeight)];
  bytes.push(spec.noColours ? 0 : table, 0, 0);
  if (!spec.noColours) bytes.push(...(spec.local ? colours.map((level) => 255 - level) : colours));
  if (spec.comment) bytes.push(0x21, 0xfe, 3, 1, 2, 3, 2, 4, 5, 0);
  if (spec.transparent !== undefined) bytes.push(0x21, 0xf9, 4, 1, 0, 0, spec.transparent, 0);
  bytes.push(0x2c, ...uint16(left), ...uint16(top), ...uint16(width));
  bytes.push(...uint16(spec.announcedHeight ?? height));
  bytes.push((spec.local ? table : 0) | (spec.interlaced ? 0x40 : 0));
  if (spec.local) bytes.push(...colours);
  bytes.push(spec.announcedCodeBits ?? codeBits);
  const head = Uint8Array.from(bytes);
  return new Uint8Array(Buffer.concat([head, subBlocks(lzw(spec), spec.blockBytes), Uint8Array.of(0x3b)]));
}

/** Splits data into sub-blocks, and ends them with an empty one. */
export function subBlocks(data: ArrayLike<number>, blockBytes = 255): Uint8Array {
  const blocks: number[] = [];
  for (let at = 0; at < data.length; at += blockBytes) {
    const end = Math.min(data.length, at + blockBytes);
    blocks.push(end - at);
    for (let i = at; i < end; i++) blocks.push(data[i]!);
  }
  return Uint8Array.from([...blocks, 0]);
}

function uint16(value: number): number[] {
  return [value & 255, value >> 8];
}

function rowOrder(height: number, interlaced: boolean): number[] {
  const rows = Array.from({ length: height }, (_, y) => y);
  if (!interlaced) return rows;
  const pass = (y: number) => (y % 8 === 0 ? 0 : y % 8 === 4 ? 1 : y % 4 === 2 ? 2 : 3);
  return rows.toSorted((a, b) => pass(a) - pass(b) || a - b);
}

/** Writes LZW codes of the length that a decoder expects. */
export class LzwWriter {
  readonly clearCode: number;
  /** Code that the decoder gives to the string which it adds with the next code. */
  nextCode = 0;
  readonly #codeBits: number;
  readonly #bytes: number[] = [];
  #bits = 0;
  #bitCount = 0;
  #size = 0;
  #isFirst = true;

  /** @param codeBits bits of an index, 2 to 8 */
  constructor(codeBits: number) {
    this.#codeBits = codeBits;
    this.clearCode = 1 << codeBits;
    this.#reset();
  }

  /** Writes the code of an index or a string. */
  put(code: number): void {
    this.#write(code);
    // The first code after a clear code completes no string.
    if (!this.#isFirst && this.nextCode < 4096) this.nextCode++;
    this.#isFirst = false;
    if (this.nextCode === 1 << this.#size && this.#size < 12) this.#size++;
  }

  clear(): void {
    this.#write(this.clearCode);
    this.#reset();
  }

  end(): void {
    this.#write(this.clearCode + 1);
  }

  bytes(): number[] {
    return this.#bitCount > 0 ? [...this.#bytes, this.#bits & 255] : this.#bytes;
  }

  #reset(): void {
    this.nextCode = this.clearCode + 2;
    this.#size = this.#codeBits + 1;
    this.#isFirst = true;
  }

  #write(code: number): void {
    this.#bits |= code << this.#bitCount;
    this.#bitCount += this.#size;
    for (; this.#bitCount >= 8; this.#bitCount -= 8, this.#bits >>= 8) this.#bytes.push(this.#bits & 255);
  }
}

function lzw({
  width,
  height,
  codeBits,
  index,
  interlaced = false,
  clearEvery,
  firstCode,
}: GifSpec): number[] {
  const writer = new LzwWriter(codeBits);
  let table = new Map<string, number>();
  const codeOf = (string: readonly number[]) =>
    string.length === 1 ? string[0]! : table.get(string.join())!;
  writer.clear();
  if (firstCode !== undefined) writer.put(firstCode);
  let string: number[] = [];
  let pixels = 0;
  for (const y of rowOrder(height, interlaced)) {
    for (let x = 0; x < width; x++, pixels++) {
      const pixel = index(x, y);
      if (clearEvery !== undefined && pixels > 0 && pixels % clearEvery === 0) {
        writer.put(codeOf(string));
        writer.clear();
        table = new Map();
        string = [];
      }
      const longer = [...string, pixel];
      if (longer.length === 1 || table.has(longer.join())) {
        string = longer;
        continue;
      }
      writer.put(codeOf(string));
      // The decoder adds this string with the next code.
      const code = writer.clearCode + 2 + table.size;
      if (code < 4096) table.set(longer.join(), code);
      string = [pixel];
    }
  }
  writer.put(codeOf(string));
  writer.end();
  return writer.bytes();
}

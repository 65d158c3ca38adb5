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
  const data = lzw(spec);
  const blockBytes = spec.blockBytes ?? 255;
  for (let at = 0; at < data.length; at += blockBytes) {
    const block = data.slice(at, at + blockBytes);
    bytes.push(block.length);
    for (const byte of block) bytes.push(byte);
  }
  bytes.push(0, 0x3b);
  return Uint8Array.from(bytes);
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

function lzw({
  width,
  height,
  codeBits,
  index,
  interlaced = false,
  clearEvery,
  firstCode,
}: GifSpec): number[] {
  const clear = 1 << codeBits;
  const bytes: number[] = [];
  let [bits, bitCount, size] = [0, 0, codeBits + 1];
  const put = (code: number) => {
    bits |= code << bitCount;
    bitCount += size;
    for (; bitCount >= 8; bitCount -= 8, bits >>= 8) bytes.push(bits & 255);
  };
  let table = new Map<string, number>();
  const clearTable = () => {
    put(clear);
    table = new Map();
    size = codeBits + 1;
  };
  let next = clear + 2;
  const codeOf = (string: readonly number[]) =>
    string.length === 1 ? string[0]! : table.get(string.join())!;
  clearTable();
  if (firstCode !== undefined) put(firstCode);
  let string: number[] = [];
  let pixels = 0;
  for (const y of rowOrder(height, interlaced)) {
    for (let x = 0; x < width; x++, pixels++) {
      const pixel = index(x, y);
      if (clearEvery !== undefined && pixels > 0 && pixels % clearEvery === 0) {
        put(codeOf(string));
        clearTable();
        next = clear + 2;
        string = [];
      }
      const longer = [...string, pixel];
      if (longer.length === 1 || table.has(longer.join())) {
        string = longer;
        continue;
      }
      put(codeOf(string));
      if (next < 4096) {
        table.set(longer.join(), next++);
        // The decoder adds each string one code later.
        if (next > 1 << size && size < 12) size++;
      }
      string = [pixel];
    }
  }
  put(codeOf(string));
  put(clear + 1);
  if (bitCount > 0) bytes.push(bits & 255);
  return bytes;
}

/**
 * Writes baseline JPEGs of any structure, which sharp cannot: sampling factors, scan splits, restart intervals, component
 * ids, Adobe segments. The coefficients come from a seed and depend on the component only, never on the structure.
 */

/** Horizontal and vertical sampling factor of a component. */
export type Factors = readonly [h: number, v: number];

/** Structure of a JPEG. */
export interface JpegSpec {
  width: number;
  height: number;
  components: { id: number; h: number; v: number }[];
  /** Component indices per scan. Default: one interleaved scan. */
  scans?: number[][];
  restartInterval?: number;
  adobeTransform?: number;
  jfif?: boolean;
  /** Largest step of the mean from block to block, in levels. Below 10 there are no AC coefficients. */
  roughness?: number;
  quantisation?: number;
  /** Sends a quantisation table per component, all in slot 0, each just before its scan. */
  redefineTables?: boolean;
}

/** Coefficients of a block: DC, then AC. */
type Block = readonly number[];
/** Index of a component, and one of its blocks. */
type Coded = readonly [component: number, block: Block];

const dcSymbols = Array.from({ length: 12 }, (_, i) => i);
const acSymbols = [
  0x00,
  ...Array.from({ length: 16 * 7 }, (_, i) => (Math.floor(i / 7) << 4) | ((i % 7) + 1)),
];

/** Returns components with these sampling factors and the ids 1, 2, ... */
export function componentsOf(...factors: readonly Factors[]): JpegSpec["components"] {
  return factors.map(([h, v], i) => ({ id: i + 1, h, v }));
}

/** Writes a JPEG. */
export function writeJpeg(spec: JpegSpec): Uint8Array {
  const { components, restartInterval = 0, quantisation = 8 } = spec;
  const scans = spec.scans ?? [[...components.keys()]];
  const table = (value: number) => segment(0xdb, [0, ...new Array<number>(64).fill(value)]);
  const jfif = segment(0xe0, [0x4a, 0x46, 0x49, 0x46, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0]);
  const adobe = [0x41, 0x64, 0x6f, 0x62, 0x65, 0, 100, 0, 0, 0, 0, spec.adobeTransform ?? 0];
  const unitsOf = blockReader(spec);
  return Uint8Array.from([
    ...[0xff, 0xd8],
    ...(spec.jfif ? jfif : []),
    ...(spec.adobeTransform === undefined ? [] : segment(0xee, adobe)),
    ...(spec.redefineTables ? [] : table(quantisation)),
    ...segment(0xc0, frameHeader(spec)),
    // All DC codes have 4 bits, all AC codes 8: a code is its symbol's index.
    ...segment(0xc4, [0x00, ...codeCounts(4, dcSymbols.length), ...dcSymbols]),
    ...segment(0xc4, [0x10, ...codeCounts(8, acSymbols.length), ...acSymbols]),
    ...(restartInterval ? segment(0xdd, [restartInterval >> 8, restartInterval & 255]) : []),
    ...scans.flatMap((scan) => [
      ...(spec.redefineTables ? table(quantisation + scan[0]!) : []),
      ...segment(0xda, [scan.length, ...scan.flatMap((i) => [components[i]!.id, 0]), 0, 63, 0]),
      ...entropyCode(unitsOf(scan), restartInterval),
    ]),
    ...[0xff, 0xd9],
  ]);
}

/** Returns the bytes of one segment: marker, length, body. */
export function segment(marker: number, body: number[]): number[] {
  return [0xff, marker, (body.length + 2) >> 8, (body.length + 2) & 255, ...body];
}

function frameHeader({ width, height, components }: JpegSpec): number[] {
  const size = [height >> 8, height & 255, width >> 8, width & 255];
  return [8, ...size, components.length, ...components.flatMap((c) => [c.id, (c.h << 4) | c.v, 0])];
}

/** Returns how many codes have 1 to 16 bits: `count` of them have `bits` bits. */
function codeCounts(bits: number, count: number): number[] {
  return Array.from({ length: 16 }, (_, i) => (i + 1 === bits ? count : 0));
}

/** Makes the coefficients, and returns a function that lists the MCUs of a scan. */
function blockReader({ width, height, components, roughness = 40 }: JpegSpec): (scan: number[]) => Coded[][] {
  const maxH = Math.max(...components.map((c) => c.h));
  const maxV = Math.max(...components.map((c) => c.v));
  const mcus = { x: Math.ceil(width / 8 / maxH), y: Math.ceil(height / 8 / maxV) };
  const blocks = components.map(({ h, v }, i) => coefficients(i + 1, mcus.x * h * mcus.y * v, roughness));
  const block = (i: number, x: number, y: number): Coded => {
    const perLine = mcus.x * components[i]!.h;
    return [i, blocks[i]![y * perLine + x]!];
  };
  return (scan) => {
    const [first] = scan;
    if (scan.length === 1 && first !== undefined) {
      // A scan of one component has no padding blocks.
      const { h, v } = components[first]!;
      const positions = grid(Math.ceil((width * h) / maxH / 8), Math.ceil((height * v) / maxV / 8));
      return positions.map(([x, y]) => [block(first, x, y)]);
    }
    return grid(mcus.x, mcus.y).map(([mx, my]) =>
      scan.flatMap((i) => {
        const { h, v } = components[i]!;
        return grid(h, v).map(([x, y]) => block(i, mx * h + x, my * v + y));
      }),
    );
  };
}

/** Returns positions in reading order. */
function grid(columns: number, rows: number): (readonly [x: number, y: number])[] {
  return Array.from({ length: columns * rows }, (_, i) => [i % columns, Math.floor(i / columns)] as const);
}

function entropyCode(units: Coded[][], restartInterval: number): number[] {
  const out: number[] = [];
  let bits = "";
  const flush = () => {
    for (const part of bits.match(/.{1,8}/g) ?? []) {
      const byte = Number.parseInt(part.padEnd(8, "1"), 2);
      out.push(byte, ...(byte === 0xff ? [0] : []));
    }
    bits = "";
  };
  let predictions: number[] = [];
  units.forEach((unit, n) => {
    if (restartInterval && n > 0 && n % restartInterval === 0) {
      flush();
      out.push(0xff, 0xd0 + ((n / restartInterval - 1) % 8));
      predictions = [];
    }
    for (const [component, block] of unit) {
      bits += codeBlock(block, predictions[component] ?? 0);
      predictions[component] = block[0]!;
    }
  });
  flush();
  return out;
}

function codeBlock([dc = 0, ...ac]: Block, prediction: number): string {
  const difference = dc - prediction;
  let bits = binary(dcSymbols.indexOf(magnitude(difference)), 4) + extra(difference);
  for (const value of ac) bits += binary(acSymbols.indexOf(magnitude(value)), 8) + extra(value);
  return bits + binary(0, 8);
}

const magnitude = (value: number) => Math.abs(value).toString(2).length * (value === 0 ? 0 : 1);
const binary = (value: number, length: number) => value.toString(2).padStart(length, "0");

function extra(value: number): string {
  const size = magnitude(value);
  return size === 0 ? "" : binary(value > 0 ? value : value + (1 << size) - 1, size);
}

/** Makes a bounded random walk: per block a DC value and up to five non-zero low AC values, in quantised units. */
function coefficients(seed: number, count: number, roughness: number): Block[] {
  let state = seed * 2654435761;
  const random = (range: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * (2 * range + 1)) - range;
  };
  let dc = 0;
  return Array.from({ length: count }, () => {
    dc = Math.max(-70, Math.min(70, dc + random(roughness)));
    return [dc, ...(roughness < 10 ? [] : Array.from({ length: 5 }, () => random(6) || 1))];
  });
}

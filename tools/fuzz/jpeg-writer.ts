/**
 * Writes baseline JPEGs of any structure, which sharp cannot: sampling factors, scan splits, restart intervals, component
 * ids, Adobe segments. The coefficients come from a seed and depend on the component alone, never on the structure.
 */
export interface JpegSpec {
  width: number;
  height: number;
  components: { id: number; h: number; v: number }[];
  /** Component indices per scan; one interleaved scan when left out. */
  scans?: number[][];
  restartInterval?: number;
  adobeTransform?: number;
  jfif?: boolean;
  /** Largest step of the mean from block to block, in levels; AC coefficients are left out when it is small. */
  roughness?: number;
  quantisation?: number;
  /** A quantisation table per component, all in slot 0, each sent just before its scan. */
  redefineTables?: boolean;
}

interface Grid {
  perLine: number;
  perColumn: number;
  padded: number;
  blocks: number[][];
}

const dcSymbols = Array.from({ length: 12 }, (_, i) => i);
const acSymbols = [
  0x00,
  ...Array.from({ length: 16 * 7 }, (_, i) => (Math.floor(i / 7) << 4) | ((i % 7) + 1)),
];

export function writeJpeg(spec: JpegSpec): Uint8Array {
  const { width, height, components } = spec;
  const maxH = Math.max(...components.map((c) => c.h));
  const maxV = Math.max(...components.map((c) => c.v));
  const mcusPerLine = Math.ceil(width / 8 / maxH);
  const mcusPerColumn = Math.ceil(height / 8 / maxV);
  const grids = components.map((c, i) => ({
    perLine: Math.ceil((width * c.h) / maxH / 8),
    perColumn: Math.ceil((height * c.v) / maxV / 8),
    padded: mcusPerLine * c.h,
    blocks: coefficients(i + 1, mcusPerLine * c.h, mcusPerColumn * c.v, spec.roughness ?? 40),
  }));
  const out: number[] = [0xff, 0xd8];
  if (spec.jfif) out.push(...segment(0xe0, [0x4a, 0x46, 0x49, 0x46, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0]));
  if (spec.adobeTransform !== undefined) {
    out.push(...segment(0xee, [0x41, 0x64, 0x6f, 0x62, 0x65, 0, 100, 0, 0, 0, 0, spec.adobeTransform]));
  }
  const quantisation = spec.quantisation ?? 8;
  const table = (value: number) => segment(0xdb, [0, ...new Array<number>(64).fill(value)]);
  if (!spec.redefineTables) out.push(...table(quantisation));
  out.push(...segment(0xc0, frameHeader(spec)), ...huffmanSegments());
  if (spec.restartInterval)
    out.push(...segment(0xdd, [spec.restartInterval >> 8, spec.restartInterval & 255]));
  for (const scan of spec.scans ?? [components.map((_, i) => i)]) {
    if (spec.redefineTables) out.push(...table(quantisation + scan[0]!));
    const header = [scan.length, ...scan.flatMap((i) => [components[i]!.id, 0]), 0, 63, 0];
    out.push(...segment(0xda, header));
    const units = scanOrder(scan, spec, grids, mcusPerLine, mcusPerColumn);
    out.push(...entropyCode(units, spec.restartInterval ?? 0));
  }
  out.push(0xff, 0xd9);
  return Uint8Array.from(out);
}

/** Bytes of one segment: marker, length, body. */
export function segment(marker: number, body: number[]): number[] {
  return [0xff, marker, (body.length + 2) >> 8, (body.length + 2) & 255, ...body];
}

function frameHeader({ width, height, components }: JpegSpec): number[] {
  const size = [height >> 8, height & 255, width >> 8, width & 255];
  return [8, ...size, components.length, ...components.flatMap((c) => [c.id, (c.h << 4) | c.v, 0])];
}

/** All DC codes have 4 bits, all AC codes 8: a code is its symbol's index. */
function huffmanSegments(): number[] {
  const counts = (bits: number, n: number) => Array.from({ length: 16 }, (_, i) => (i + 1 === bits ? n : 0));
  return [
    ...segment(0xc4, [0x00, ...counts(4, dcSymbols.length), ...dcSymbols]),
    ...segment(0xc4, [0x10, ...counts(8, acSymbols.length), ...acSymbols]),
  ];
}

/** The MCUs of a scan, each a list of [component, coefficients]. */
function scanOrder(
  scan: number[],
  spec: JpegSpec,
  grids: Grid[],
  mcusPerLine: number,
  mcusPerColumn: number,
): [number, number[]][][] {
  const block = (i: number, x: number, y: number): [number, number[]] => [
    i,
    grids[i]!.blocks[y * grids[i]!.padded + x]!,
  ];
  const units: [number, number[]][][] = [];
  if (scan.length === 1) {
    const { perLine, perColumn } = grids[scan[0]!]!;
    for (let y = 0; y < perColumn; y++) for (let x = 0; x < perLine; x++) units.push([block(scan[0]!, x, y)]);
    return units;
  }
  for (let my = 0; my < mcusPerColumn; my++) {
    for (let mx = 0; mx < mcusPerLine; mx++) {
      const unit: [number, number[]][] = [];
      for (const i of scan) {
        const { h, v } = spec.components[i]!;
        for (let y = 0; y < v; y++) for (let x = 0; x < h; x++) unit.push(block(i, mx * h + x, my * v + y));
      }
      units.push(unit);
    }
  }
  return units;
}

function entropyCode(units: [number, number[]][][], restartInterval: number): number[] {
  const out: number[] = [];
  let bits = "";
  const flush = () => {
    while (bits.length % 8) bits += "1";
    for (let i = 0; i < bits.length; i += 8) {
      const byte = Number.parseInt(bits.slice(i, i + 8), 2);
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

function codeBlock(block: number[], prediction: number): string {
  const difference = block[0]! - prediction;
  let bits = binary(dcSymbols.indexOf(magnitude(difference)), 4) + extra(difference);
  for (const value of block.slice(1)) bits += binary(acSymbols.indexOf(magnitude(value)), 8) + extra(value);
  return bits + binary(0, 8);
}

const magnitude = (value: number) => Math.abs(value).toString(2).length * (value === 0 ? 0 : 1);
const binary = (value: number, length: number) => value.toString(2).padStart(length, "0");

function extra(value: number): string {
  const size = magnitude(value);
  return size === 0 ? "" : binary(value > 0 ? value : value + (1 << size) - 1, size);
}

/** Per block a DC value and up to five non-zero low AC values, in quantised units; a bounded random walk. */
function coefficients(seed: number, perLine: number, perColumn: number, roughness: number): number[][] {
  let state = seed * 2654435761;
  const random = (range: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * (2 * range + 1)) - range;
  };
  let dc = 0;
  return Array.from({ length: perLine * perColumn }, () => {
    dc = Math.max(-70, Math.min(70, dc + random(roughness)));
    const ac = roughness < 10 ? [] : Array.from({ length: 5 }, () => random(6) || 1);
    return [dc, ...ac];
  });
}

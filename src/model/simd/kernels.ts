/** The compiled kernels, and the memory that they share. assembly/ describes each kernel. */
import { isolateBytes } from "../../limits.ts";

/** The exports of kernels.wasm. Addresses and sizes are in bytes unless the kernel says otherwise. */
export interface Kernels {
  addToShortcut: Finish;
  averagePool(from: number, pixels: number, channels: number, to: number): void;
  dense(features: number, count: number, weights: number, bias: number, outputs: number, to: number): void;
  dequantise(from: number, to: number, count: number, scale: number, zero: number): void;
  gather(
    from: number,
    fromRow: number,
    run: number,
    step: number,
    stride: number,
    a: number,
    rows: number,
    columns: number,
    height: number,
    depth: number,
    zero: number,
  ): void;
  interleave(from: number, to: number, pixels: number, channels: number): void;
  largestSum(weights: number, outputs: number, perOutput: number, zero: number): number;
  maxPool(
    from: number,
    height: number,
    width: number,
    channels: number,
    to: number,
    rows: number,
    columns: number,
    kernel: number,
    stride: number,
    padding: number,
  ): void;
  multiply(
    a: number,
    aPlane: number,
    b: number,
    bPlane: number,
    c: number,
    cPlane: number,
    planes: number,
    rows: number,
    depth: number,
  ): void;
  orderByPair(
    weights: number,
    outputs: number,
    inputs: number,
    taps: number,
    channels: number,
    zero: number,
    to: number,
  ): void;
  orderByTap(
    weights: number,
    outputs: number,
    inputs: number,
    taps: number,
    channels: number,
    depth: number,
    zero: number,
    to: number,
  ): void;
  pad(
    from: number,
    fromRow: number,
    rows: number,
    to: number,
    toRow: number,
    toRows: number,
    top: number,
    left: number,
    zero: number,
  ): void;
  quantise(from: number, to: number, count: number, scale: number, zero: number): void;
  requantise(
    sums: number,
    sumsColumns: number,
    rows: number,
    columns: number,
    to: number,
    pixel: number,
    bias: number,
    scale: number,
    zero: number,
  ): void;
  toFloat: Finish;
  transformFilters(weights: number, b: number, bPlane: number, channels: number): void;
  transformMap(
    map: number,
    mapRow: number,
    a: number,
    aPlane: number,
    tileRows: number,
    tileColumns: number,
    channels: number,
  ): void;
  transformProducts(c: number, cPlane: number, sums: number, tileRows: number, tileColumns: number): void;
  transpose(from: number, rows: number, columns: number, to: number, toColumns: number): void;
  widen(from: number, to: number, count: number): void;
}

/** From a convolution's sums to float32. */
type Finish = (
  sums: number,
  sumsColumns: number,
  rows: number,
  columns: number,
  to: number,
  pixel: number,
  factor: number,
  bias: number,
) => void;

const pageBytes = 65_536;
/** The kernels use the first page for themselves. */
const firstAddress = pageBytes;

/** One WASM memory, filled from the bottom. It grows when needed and never shrinks. */
export class EngineMemory {
  readonly wasm = new WebAssembly.Memory({
    initial: firstAddress / pageBytes,
    // A pack whose sizes are absurd gets an error instead of ending the isolate.
    maximum: Math.floor(isolateBytes / pageBytes),
  });
  #top = firstAddress;

  /** Size of the memory in bytes. */
  get bytes(): number {
    return this.wasm.buffer.byteLength;
  }

  /** The first free address. */
  get top(): number {
    return this.#top;
  }

  /** Makes all memory free again. */
  clear(): void {
    this.#top = firstAddress;
  }

  /**
   * Takes memory and returns its address, a multiple of 64. The content is undefined.
   * @throws RangeError if the memory cannot grow
   */
  take(bytes: number): number {
    const address = this.#top;
    this.reach(address + bytes);
    this.#top = roundUp(address + bytes, 64);
    return address;
  }

  /**
   * Grows the memory so that it ends at `end` or later.
   * @throws RangeError if the memory cannot grow
   */
  reach(end: number): void {
    // `grow` itself throws a TypeError for sizes beyond its range.
    if (!(end <= isolateBytes)) throw new RangeError(`the memory cannot grow to ${end} bytes`);
    const pages = Math.ceil((end - this.bytes) / pageBytes);
    if (pages > 0) this.wasm.grow(pages);
  }

  /** Copies `values` to `address`. */
  write(address: number, values: Uint8Array | Int32Array | Float32Array): void {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    new Uint8Array(this.wasm.buffer, address, bytes.length).set(bytes);
  }

  /** Clears `bytes` at `address`. */
  fillZeros(address: number, bytes: number): void {
    new Uint8Array(this.wasm.buffer, address, bytes).fill(0);
  }
}

/** Creates an instance of kernels.wasm that works in `memory`. */
export function createKernels(wasm: WebAssembly.Module, memory: EngineMemory): Kernels {
  return new WebAssembly.Instance(wasm, { env: { memory: memory.wasm } }).exports as unknown as Kernels;
}

/** Rounds up to a multiple of `unit`. */
export function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

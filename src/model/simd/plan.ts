/**
 * From the operations of a network to a list of kernel calls with fixed addresses. Maps are stored as pixels of channels
 * (NHWC), with the channels rounded up to a multiple of 8.
 */
import { type EngineMemory, type Kernels, roundUp } from "./kernels.ts";
import { type Convolution, type Operation, unsupported, type Window } from "./operations.ts";

/** A planned network. Run `steps` in order. */
export interface Plan {
  readonly steps: readonly Step[];
  /** Address of the input: float32 [channels][height][width]. */
  readonly input: number;
  /** Addresses of float32 values. */
  readonly outputs: ReadonlyMap<string, number>;
}

/** Calls of kernels that compute one value. */
export interface Step {
  readonly name: string;
  run(kernels: Kernels): void;
}

interface Shape {
  readonly height: number;
  readonly width: number;
  /** Values per pixel in memory. */
  readonly channels: number;
}

/** A value in memory. */
interface Value extends Shape {
  readonly address: number;
  readonly type: ValueType;
}

type ValueType = "u8" | "float32";

/** The type of value that each operation reads. Outputs of the network and shortcuts are float32. */
const inputType = {
  quantise: "float32",
  dequantise: "u8",
  convolve: "u8",
  maxPool: "u8",
  averagePool: "float32",
  flatten: "float32",
  dense: "float32",
} as const satisfies Record<string, ValueType>;

/** What a step reads and writes besides its input and output. Steps share these addresses. */
interface Scratch {
  map: number;
  a: number;
  b: number;
  c: number;
  sums: number;
}

/**
 * Bytes of the inputs of one run of products. They are read once for every eight output channels, so they should fit into
 * the L2 cache, of which a core has 0.5 to 2 MiB.
 */
const runBytes = 512 * 1024;
/** Products of a Winograd tile. */
const tileProducts = 36;
/** Kernels read up to this many bytes beyond a map, and gather writes up to this many beyond its rows. */
const slackBytes = 64;

type ConvolveOperation = Extract<Operation, { op: "convolve" }>;
/** An operation, and the shortcut that a convolution adds to. */
type Fused = { readonly operation: Operation; readonly shortcut?: string };
/** Turns the sums of eight outputs, `rows` rows from `firstRow` on, into values of the output. */
type Finish = (kernels: Kernels, part: SumsPart) => void;

interface SumsPart {
  /** Index of the eight outputs. */
  readonly block: number;
  readonly firstRow: number;
  readonly rows: number;
  /** Sums in a row. May be more than the output has. */
  readonly sumsColumns: number;
}

/**
 * Plans a network and takes the memory for its values.
 * @param image the network's input, of shape [1, channels, height, width]
 * @param outputs names of the values to return
 * @throws UnsupportedGraphError, which names the node
 */
export function planNetwork(
  operations: readonly Operation[],
  image: { readonly name: string; readonly shape: readonly number[] },
  outputs: readonly string[],
  memory: EngineMemory,
): Plan {
  const fused = fuseShortcuts(operations);
  const lastReads = new Map<string, number>();
  fused.forEach(({ operation, shortcut }, index) => {
    for (const name of readsOf(operation, shortcut)) lastReads.set(name, index);
  });
  for (const name of outputs) lastReads.set(name, fused.length);
  const planner = new Planner(memory, image.name, lastReads, partsOf(operations));
  const [, channels = 0, height = 0, width = 0] = image.shape;
  const input = planner.define(image.name, { height, width, channels }, "float32");
  fused.forEach((entry, index) => {
    planner.add(entry, index);
  });
  return planner.finish(input.address, outputs);
}

/** A dense layer that is part of a larger one. */
interface DensePart {
  readonly whole: string;
  /** Outputs of the parts before it. */
  readonly offset: number;
  /** Outputs of all parts. */
  readonly total: number;
}

/** Returns the parts of divided dense layers, by name. Each writes its outputs to their place in the whole. */
function partsOf(operations: readonly Operation[]): Map<string, DensePart> {
  const parts = new Map<string, DensePart>();
  for (const operation of operations) {
    if (operation.op !== "concat") continue;
    const layers = operation.inputs.map((input) => {
      const layer = operations.find(({ output }) => output === input);
      if (layer?.op !== "dense") throw unsupported(operation, `the input ${input}, which is not a Gemm,`);
      return layer;
    });
    const total = layers.reduce((sum, { outputs }) => sum + outputs, 0);
    let offset = 0;
    for (const { output, outputs } of layers) {
      parts.set(output, { whole: operation.output, offset, total });
      offset += outputs;
    }
  }
  return parts;
}

function readsOf(operation: Operation, shortcut?: string): readonly string[] {
  const reads = "inputs" in operation ? operation.inputs : [operation.input];
  return shortcut === undefined ? reads : [...reads, shortcut];
}

/**
 * Joins each block's last convolution with the addition of its shortcut, so that the sum is written over the shortcut.
 * The convolution moves behind the operation that computes the shortcut.
 */
function fuseShortcuts(operations: readonly Operation[]): Fused[] {
  const reads = operations.flatMap((operation) => [...readsOf(operation)]);
  const fused: Fused[] = [];
  for (const operation of operations) {
    if (operation.op !== "addRelu") {
      fused.push({ operation });
      continue;
    }
    const branchIndex = fused.findLastIndex(
      ({ operation: { op, output }, shortcut }) =>
        op === "convolve" && shortcut === undefined && operation.inputs.includes(output),
    );
    const branch = fused[branchIndex]?.operation as ConvolveOperation | undefined;
    if (branch?.finish.to !== "float32" || reads.filter((name) => name === branch.output).length > 1)
      throw unsupported(operation, "no convolution to float32 of its own as an input");
    const shortcut = operation.inputs.find((name) => name !== branch.output);
    if (shortcut === undefined) throw unsupported(operation, "one value as both inputs");
    fused.splice(branchIndex, 1);
    fused.push({ operation: { ...branch, output: operation.output }, shortcut });
  }
  return fused;
}

class Planner {
  readonly #memory: EngineMemory;
  readonly #image: string;
  readonly #lastReads: ReadonlyMap<string, number>;
  readonly #parts: ReadonlyMap<string, DensePart>;
  readonly #values = new Map<string, Value>();
  readonly #steps: Step[] = [];
  readonly #space: FreeSpace;
  /** Steps keep this object. Its addresses are set at the end, when all sizes are known. */
  readonly #scratch: Scratch = { map: 0, a: 0, b: 0, c: 0, sums: 0 };
  readonly #scratchBytes: Scratch = { map: 0, a: 0, b: 0, c: 0, sums: 0 };

  constructor(
    memory: EngineMemory,
    image: string,
    lastReads: ReadonlyMap<string, number>,
    parts: ReadonlyMap<string, DensePart>,
  ) {
    this.#memory = memory;
    this.#image = image;
    this.#lastReads = lastReads;
    this.#parts = parts;
    this.#space = new FreeSpace(memory.top);
  }

  /** Finds a place for a value. */
  define(name: string, { height, width, channels }: Shape, type: ValueType): Value {
    const bytes = roundUp(height * width * channels * bytesOf(type) + slackBytes, 64);
    const value = { address: this.#space.take(bytes), height, width, channels, type };
    this.#values.set(name, value);
    return value;
  }

  add({ operation, shortcut }: Fused, index: number): void {
    const run = this.#plan(operation, shortcut, index);
    if (run) this.#steps.push({ name: operation.name, run });
    for (const name of readsOf(operation, shortcut)) {
      const value = this.#values.get(name);
      if (!value || this.#lastReads.get(name) !== index) continue;
      this.#values.delete(name);
      // Another value may have been written over this one, or be the same under another name.
      const isShared = [...this.#values.values()].some(({ address }) => address === value.address);
      if (!isShared) this.#space.free(value.address);
    }
  }

  finish(input: number, outputs: readonly string[]): Plan {
    let end = this.#space.end;
    for (const [key, bytes] of Object.entries(this.#scratchBytes) as [keyof Scratch, number][]) {
      this.#scratch[key] = end;
      end += roundUp(bytes + slackBytes, 64);
    }
    this.#memory.take(end - this.#memory.top);
    const addresses = outputs.map((name) => [name, this.#value(name, "float32", { name }).address] as const);
    return { steps: this.#steps, input, outputs: new Map(addresses) };
  }

  #value(name: string, type: ValueType, reader: { readonly name: string }): Value {
    const value = this.#values.get(name);
    if (!value) throw unsupported(reader, `the value ${name}, which no node before it computes,`);
    if (value.type !== type)
      throw unsupported(reader, `the value ${name} in ${value.type} instead of ${type}`);
    return value;
  }

  /** Returns the kernel calls of an operation, or undefined if it computes nothing. */
  #plan(operation: Operation, shortcut: string | undefined, index: number): Step["run"] | undefined {
    const { output } = operation;
    if (operation.op === "concat") return undefined;
    if (operation.op === "addRelu") throw unsupported(operation, "an addition without a convolution");
    const from = this.#value(operation.input, inputType[operation.op], operation);
    switch (operation.op) {
      case "quantise":
        return this.#quantise(operation, from);
      case "dequantise": {
        const { scale, zero } = operation;
        const to = this.define(output, from, "float32");
        return (kernels) => kernels.dequantise(from.address, to.address, countOf(from), scale, zero);
      }
      case "convolve":
        return this.#convolve(operation, from, shortcut, index);
      case "maxPool": {
        const { kernel, stride, pads } = operation;
        const size = sizeAfter(from, [kernel, kernel], [stride, stride], pads);
        const to = this.define(output, { ...size, channels: from.channels }, "u8");
        const source = [from.address, from.height, from.width, from.channels] as const;
        const target = [to.address, to.height, to.width] as const;
        return (kernels) => kernels.maxPool(...source, ...target, kernel, stride, pads[0]);
      }
      case "averagePool": {
        const { height, width, channels } = from;
        const to = this.define(output, { height: 1, width: 1, channels }, "float32");
        return (kernels) => kernels.averagePool(from.address, height * width, channels, to.address);
      }
      case "flatten":
        // One pixel is a row of features already.
        this.#values.set(output, from);
        return undefined;
      case "dense":
        return this.#dense(operation, from);
    }
  }

  #quantise(operation: Extract<Operation, { op: "quantise" }>, from: Value): Step["run"] {
    const { scale, zero, output } = operation;
    const count = roundUp(countOf(from), 8);
    const to = this.define(output, from, "u8");
    if (operation.input !== this.#image)
      return (kernels) => kernels.quantise(from.address, to.address, count, scale, zero);
    // The image arrives as one plane per channel.
    const pixels = from.height * from.width;
    this.#need({ map: count });
    return (kernels) => {
      kernels.quantise(from.address, this.#scratch.map, count, scale, zero);
      kernels.interleave(this.#scratch.map, to.address, pixels, from.channels);
    };
  }

  #convolve(
    operation: ConvolveOperation,
    from: Value,
    shortcut: string | undefined,
    index: number,
  ): Step["run"] {
    const { convolution, finish, output } = operation;
    const { outputs, channels, kernel, strides, pads, method } = convolution;
    if (from.channels !== channels)
      throw unsupported(operation, `weights for ${channels} channels and an input with ${from.channels}`);
    const shape = { ...sizeAfter(from, kernel, strides, pads), channels: roundUp(outputs, 8) };
    if (shape.height < 1 || shape.width < 1) throw unsupported(operation, "a filter larger than its input");
    const to =
      shortcut === undefined
        ? this.define(output, shape, finish.to)
        : this.#writeOver(this.#value(shortcut, "float32", operation), operation, shape);
    if (shortcut !== undefined && this.#lastReads.get(shortcut) !== index)
      throw unsupported(operation, "a shortcut that another node reads later");
    const finisher = this.#finisher(finish, to, shortcut !== undefined);
    return method === "winograd"
      ? this.#winograd(convolution, from, to, finisher)
      : this.#direct(convolution, from, to, finisher);
  }

  #writeOver(shortcut: Value, operation: Operation, shape: Shape): Value {
    const isSame =
      shortcut.height === shape.height &&
      shortcut.width === shape.width &&
      shortcut.channels === shape.channels;
    if (!isSame) throw unsupported(operation, "a shortcut of another shape");
    this.#values.set(operation.output, shortcut);
    return shortcut;
  }

  #finisher(finish: ConvolveOperation["finish"], to: Value, addsToShortcut: boolean): Finish {
    const elementBytes = bytesOf(finish.to);
    const pixel = to.channels * elementBytes;
    return (kernels, { block, firstRow, rows, sumsColumns }) => {
      const address = to.address + firstRow * to.width * pixel + block * 8 * elementBytes;
      const region = [this.#scratch.sums, sumsColumns, rows, to.width, address, pixel] as const;
      // Eight parameters of four bytes.
      const skip = block * 32;
      if (finish.to === "u8")
        kernels.requantise(...region, finish.bias + skip, finish.scale + skip, finish.zero);
      else if (addsToShortcut) kernels.addToShortcut(...region, finish.factor + skip, finish.bias + skip);
      else kernels.toFloat(...region, finish.factor + skip, finish.bias + skip);
    };
  }

  #winograd(convolution: Convolution, from: Value, to: Value, finish: Finish): Step["run"] {
    const { channels, weights, outputs } = convolution;
    const [tileRows, tileColumns] = [Math.ceil(to.height / 4), Math.ceil(to.width / 4)];
    const mapRow = (tileColumns * 4 + 2) * channels;
    const mapRows = tileRows * 4 + 2;
    const rowBytes = tileColumns * channels * 2;
    const runRows = rowsPerRun(rowBytes * tileProducts, tileRows);
    const aPlane = planeBytes(runRows * rowBytes);
    const bPlane = planeBytes(channels * 16);
    const cPlane = planeBytes(runRows * tileColumns * 32);
    this.#need({ map: mapRow * mapRows, sums: runRows * tileColumns * 16 * 32 });
    this.#need({ a: aPlane * tileProducts, b: bPlane * tileProducts, c: cPlane * tileProducts });
    const blocks = Math.ceil(outputs / 8);
    return (kernels) => {
      const { map, a, b, c, sums } = this.#scratch;
      kernels.pad(from.address, from.width * channels, from.height, map, mapRow, mapRows, 1, channels, 0);
      for (let row = 0; row < tileRows; row += runRows) {
        const rows = Math.min(runRows, tileRows - row);
        kernels.transformMap(map + row * 4 * mapRow, mapRow, a, aPlane, rows, tileColumns, channels);
        for (let block = 0; block < blocks; block++) {
          kernels.transformFilters(weights + block * channels * 72, b, bPlane, channels);
          kernels.multiply(a, aPlane, b, bPlane, c, cPlane, tileProducts, rows * tileColumns, channels);
          kernels.transformProducts(c, cPlane, sums, rows, tileColumns);
          const firstRow = row * 4;
          const validRows = Math.min(rows * 4, to.height - firstRow);
          finish(kernels, { block, firstRow, rows: validRows, sumsColumns: tileColumns * 4 });
        }
      }
    };
  }

  #direct(convolution: Convolution, from: Value, to: Value, finish: Finish): Step["run"] {
    const { outputs, channels, weights, depth, kernel, strides, pads, zero } = convolution;
    const [top, left, bottom, right] = pads;
    const isPadded = top + left + bottom + right > 0;
    const mapRow = (from.width + left + right) * channels;
    const mapRows = from.height + top + bottom;
    const rowBytes = to.width * depth * 2;
    const runRows = rowsPerRun(rowBytes, to.height);
    this.#need({ map: isPadded ? mapRow * mapRows : 0, sums: runRows * to.width * 32 });
    this.#need({ a: runRows * rowBytes, b: depth * 16 });
    const blocks = Math.ceil(outputs / 8);
    const run = kernel[1] * channels;
    const step = strides[1] * channels;
    const fromRow = from.width * channels;
    return (kernels) => {
      const { a, b, sums } = this.#scratch;
      const map = isPadded ? this.#scratch.map : from.address;
      if (isPadded)
        kernels.pad(from.address, fromRow, from.height, map, mapRow, mapRows, top, left * channels, zero);
      for (let row = 0; row < to.height; row += runRows) {
        const rows = Math.min(runRows, to.height - row);
        const corner = map + row * strides[0] * mapRow;
        kernels.gather(corner, mapRow, run, step, strides[0], a, rows, to.width, kernel[0], depth, zero);
        for (let block = 0; block < blocks; block++) {
          kernels.widen(weights + block * depth * 8, b, depth * 8);
          kernels.multiply(a, 0, b, 0, sums, 0, 1, rows * to.width, depth);
          finish(kernels, { block, firstRow: row, rows, sumsColumns: to.width });
        }
      }
    };
  }

  #dense(operation: Extract<Operation, { op: "dense" }>, from: Value): Step["run"] {
    const { features, outputs, weights, bias, output } = operation;
    if (countOf(from) < features)
      throw unsupported(operation, `weights for ${features} features and an input with ${countOf(from)}`);
    const part = this.#parts.get(output) ?? { whole: output, offset: 0, total: outputs };
    const shape = { height: 1, width: 1, channels: roundUp(part.total, 4) };
    const to = this.#values.get(part.whole) ?? this.define(part.whole, shape, "float32");
    const address = to.address + part.offset * 4;
    const columns = roundUp(outputs, 4);
    return (kernels) => kernels.dense(from.address, features, weights, bias, columns, address);
  }

  #need(bytes: Partial<Scratch>): void {
    for (const [key, value] of Object.entries(bytes) as [keyof Scratch, number][])
      this.#scratchBytes[key] = Math.max(this.#scratchBytes[key], value);
  }
}

/** Memory above an address, in which values live for some time. */
class FreeSpace {
  /** In the order of their addresses. */
  readonly #taken: { readonly address: number; readonly end: number }[] = [];
  readonly #start: number;
  /** The end of the highest value so far. */
  end: number;

  constructor(start: number) {
    this.#start = start;
    this.end = start;
  }

  /** Takes the first gap that is large enough. */
  take(bytes: number): number {
    let address = this.#start;
    let index = 0;
    for (const next of this.#taken) {
      if (address + bytes <= next.address) break;
      address = next.end;
      index++;
    }
    this.#taken.splice(index, 0, { address, end: address + bytes });
    this.end = Math.max(this.end, address + bytes);
    return address;
  }

  free(address: number): void {
    const index = this.#taken.findIndex((value) => value.address === address);
    this.#taken.splice(index, 1);
  }
}

function bytesOf(type: ValueType): number {
  return type === "u8" ? 1 : 4;
}

function countOf({ height, width, channels }: Shape): number {
  return height * width * channels;
}

/** Height and width after a convolution or a pooling. */
function sizeAfter(
  { height, width }: Shape,
  kernel: readonly [number, number],
  strides: readonly [number, number],
  [top, left, bottom, right]: Window["pads"],
): { height: number; width: number } {
  return {
    height: Math.floor((height + top + bottom - kernel[0]) / strides[0]) + 1,
    width: Math.floor((width + left + right - kernel[1]) / strides[1]) + 1,
  };
}

function rowsPerRun(rowBytes: number, rows: number): number {
  return Math.max(1, Math.min(rows, Math.floor(runBytes / rowBytes)));
}

/** Planes an odd number of cache lines apart do not compete for the same lines of a cache. */
function planeBytes(bytes: number): number {
  return (Math.ceil(bytes / 64) | 1) * 64;
}

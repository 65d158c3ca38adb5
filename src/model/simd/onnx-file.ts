/**
 * Reads the parts of an ONNX file that a pack contains: nodes, constants and the names of the graph's inputs. The format is
 * Protocol Buffers (https://protobuf.dev/programming-guides/encoding), the field numbers are those of onnx.proto.
 */

/** A node of the graph. Attributes are lists of numbers; other values, such as strings, are left out. */
export interface OnnxNode {
  readonly op: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, readonly number[]>;
}

/** A constant. `data` is a view into the file: little-endian, row-major. */
export interface OnnxConstant {
  /** Number of the type in TensorProto.DataType. */
  readonly type: number;
  readonly dims: readonly number[];
  readonly data: Uint8Array;
}

/** One graph. */
export interface OnnxGraph {
  readonly nodes: readonly OnnxNode[];
  readonly constants: ReadonlyMap<string, OnnxConstant>;
  readonly inputs: readonly string[];
}

/** Field numbers of onnx.proto. */
const field = {
  model: { graph: 7 },
  graph: { node: 1, initializer: 5, input: 11 },
  node: { input: 1, output: 2, name: 3, op: 4, attribute: 5, domain: 7 },
  attribute: { name: 1, f: 2, i: 3, ints: 8 },
  tensor: { dims: 1, type: 2, name: 8, data: 9 },
  valueInfo: { name: 1 },
} as const;

const text = new TextDecoder();
const nothing = new Uint8Array(0);

/**
 * Reads a serialised ModelProto.
 * @throws Error if the bytes are not one
 */
export function readOnnx(bytes: Uint8Array): OnnxGraph {
  const nodes: OnnxNode[] = [];
  const constants = new Map<string, OnnxConstant>();
  const inputs: string[] = [];
  for (const model of fields(bytes)) {
    if (model.number !== field.model.graph) continue;
    for (const { number, bytes } of fields(model.bytes)) {
      if (number === field.graph.node) nodes.push(readNode(bytes));
      else if (number === field.graph.input) inputs.push(readName(bytes, field.valueInfo.name));
      else if (number === field.graph.initializer)
        constants.set(readName(bytes, field.tensor.name), readConstant(bytes));
    }
  }
  return { nodes, constants, inputs };
}

function readNode(bytes: Uint8Array): OnnxNode {
  const inputs: string[] = [];
  const outputs: string[] = [];
  const attributes = new Map<string, readonly number[]>();
  let op = "";
  let domain = "";
  for (const { number, bytes: value } of fields(bytes)) {
    if (number === field.node.input) inputs.push(text.decode(value));
    else if (number === field.node.output) outputs.push(text.decode(value));
    else if (number === field.node.op) op = text.decode(value);
    else if (number === field.node.domain) domain = text.decode(value);
    else if (number === field.node.attribute)
      attributes.set(readName(value, field.attribute.name), readNumbers(value));
  }
  const name = readName(bytes, field.node.name) || (outputs[0] ?? "");
  return { op: domain === "" ? op : `${domain}.${op}`, name, inputs, outputs, attributes };
}

/** Returns the numbers of an AttributeProto, one or a list. */
function readNumbers(bytes: Uint8Array): number[] {
  const values: number[] = [];
  for (const entry of fields(bytes)) {
    if (entry.number === field.attribute.f) values.push(floatOf(entry));
    if (entry.number === field.attribute.i || entry.number === field.attribute.ints)
      values.push(...integersOf(entry));
  }
  return values;
}

function readConstant(bytes: Uint8Array): OnnxConstant {
  const dims: number[] = [];
  let type = 0;
  let data: Uint8Array = nothing;
  for (const entry of fields(bytes)) {
    if (entry.number === field.tensor.dims) dims.push(...integersOf(entry));
    else if (entry.number === field.tensor.type) type = entry.integer;
    else if (entry.number === field.tensor.data) data = entry.bytes;
  }
  return { type, dims, data };
}

function readName(bytes: Uint8Array, number: number): string {
  for (const entry of fields(bytes)) if (entry.number === number) return text.decode(entry.bytes);
  return "";
}

/** A field of a message: `integer` of a varint, `bytes` of everything that has a length. */
interface Field {
  readonly number: number;
  readonly integer: number;
  readonly bytes: Uint8Array;
}

/** A repeated integer is one field each, or all in one field that has a length. */
function integersOf({ integer, bytes }: Field): number[] {
  if (bytes === nothing) return [integer];
  const values: number[] = [];
  const reader = new Reader(bytes);
  while (!reader.atEnd) values.push(reader.varint());
  return values;
}

function floatOf({ bytes }: Field): number {
  if (bytes.length !== 4) throw new Error(`it has a float of ${bytes.length} bytes; expected 4`);
  return new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0, true);
}

function* fields(bytes: Uint8Array): Generator<Field> {
  const reader = new Reader(bytes);
  while (!reader.atEnd) {
    const tag = reader.varint();
    const number = Math.floor(tag / 8);
    switch (tag % 8) {
      case 0:
        yield { number, integer: reader.varint(), bytes: nothing };
        break;
      case 1:
        yield { number, integer: 0, bytes: reader.take(8) };
        break;
      case 2:
        yield { number, integer: 0, bytes: reader.take(reader.varint()) };
        break;
      case 5:
        yield { number, integer: 0, bytes: reader.take(4) };
        break;
      default:
        throw new Error(`it has a field of wire type ${tag % 8}; expected 0, 1, 2 or 5, as in ONNX files`);
    }
  }
}

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** Integers above 2^53 lose their low bits. No size in a pack is that large. */
  varint(): number {
    let value = 0;
    for (let factor = 1; factor < 2 ** 70; factor *= 128) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) break;
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
    throw new Error("it ends within a number, or a number has more than ten bytes");
  }

  take(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#bytes.length)
      throw new Error(`it ends after ${this.#bytes.length} bytes; expected at least ${end}`);
    const bytes = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return bytes;
  }
}

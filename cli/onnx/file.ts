/** Reads and writes .onnx files: a Graph from a file and the data files beside it, and the bytes of a Graph. */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import proto from "onnx-proto";
import { CommandError } from "../terminal/fail.ts";
import {
  type Attribute,
  type ElementType,
  elementCount,
  type Graph,
  type GraphNode,
  type Tensor,
  type ValueInfo,
} from "./graph.ts";

const { AttributeProto, ModelProto, TensorProto } = proto.onnx;
const { AttributeType } = AttributeProto;

/** Supported ai.onnx operator sets: 7 removed BatchNormalization's `is_test`; 18 made ReduceMean's axes an input. */
export const minOpset = 7;
export const maxOpset = 18;

/**
 * Reads a model from its file. Tensors may have their data in other files of the same folder, as ONNX's external data.
 * @throws CommandError when a file cannot be read, and as {@link readOnnx}.
 */
export async function readOnnxFile(file: string) {
  const model = await readFile(file).catch((cause: unknown) => {
    throw new CommandError(`The model ${file} cannot be read; expected an .onnx file.`, { cause });
  });
  const hash = createHash("sha256").update(model);
  const dataFiles = new Map<string, Uint8Array>();
  let bytes = model.byteLength;
  const graph = readOnnx(model, (location) => {
    const known = dataFiles.get(location);
    if (known) return known;
    const data = readDataFile(path.dirname(file), location);
    dataFiles.set(location, data);
    hash.update(data);
    bytes += data.byteLength;
    return data;
  });
  // bytes: of the .onnx file and its data files. sha256: of the .onnx file, followed by its data files in the order in
  // which tensors refer to them.
  return { graph, bytes, sha256: hash.digest("hex") };
}

/** A file outside the model's folder is refused: a model could name any file of this machine. */
function readDataFile(folder: string, location: string): Uint8Array {
  const file = path.resolve(folder, location);
  if (path.relative(folder, file).startsWith("..") || path.isAbsolute(location)) {
    throw new CommandError(
      `The model refers to ${location}; expected data files in the folder of the model.`,
    );
  }
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new CommandError(
      `The model keeps its weights in ${file}, which cannot be read; put that file beside the model.`,
      { cause },
    );
  }
}

/**
 * Reads a model. Initialisers that are also graph inputs, as IR 3 required, count as initialisers only.
 * @param readDataFile For tensors with data outside the model. Default: such tensors are an error.
 * @throws CommandError when the bytes are not an ONNX model, or it has an unsupported operator set or element type.
 */
export function readOnnx(bytes: Uint8Array, readDataFile: ReadDataFile = noDataFile): Graph {
  const model = decode(bytes);
  const graph = model.graph;
  if (graph == null || (graph.node?.length ?? 0) === 0) {
    throw new CommandError("The file holds no ONNX graph; expected a model saved as .onnx.");
  }
  const opset = Number(model.opsetImport.find((entry) => (entry.domain ?? "") === "")?.version ?? 0);
  if (opset < minOpset || opset > maxOpset) {
    throw new CommandError(
      `The model uses operator set ${opset}; expected ${minOpset} to ${maxOpset}. Export it again with opset_version=17.`,
    );
  }
  const initializers = new Map<string, Tensor>();
  for (const tensor of graph.initializer ?? []) {
    initializers.set(tensor.name ?? "", decodeTensor(tensor, readDataFile));
  }
  return {
    name: graph.name ?? "",
    opset,
    nodes: (graph.node ?? []).map((node) => readNode(node, readDataFile)),
    initializers,
    inputs: (graph.input ?? []).filter((input) => !initializers.has(input.name ?? "")).map(readValueInfo),
    outputs: (graph.output ?? []).map(readValueInfo),
  };
}

function noDataFile(location: string): never {
  throw new CommandError(
    `The model keeps weights in ${location}; expected them inside the .onnx file. Save it without external data.`,
  );
}

function decode(bytes: Uint8Array): proto.onnx.ModelProto {
  try {
    return ModelProto.decode(bytes);
  } catch (cause) {
    const message = "The file is not an ONNX model; expected one saved as .onnx.";
    throw new CommandError(message, { cause });
  }
}

function readNode(node: proto.onnx.INodeProto, readDataFile: ReadDataFile): GraphNode {
  const outputs = node.output ?? [];
  const name = node.name || outputs[0] || "";
  const attributes = (node.attribute ?? []).map((attribute): [string, Attribute] => {
    const value = readAttribute(attribute, name, readDataFile);
    return [attribute.name ?? "", node.opType === "Cast" ? widenedCast(value) : value];
  });
  return {
    name,
    op: node.opType ?? "",
    domain: node.domain ?? "",
    inputs: node.input ?? [],
    outputs,
    attributes: new Map(attributes),
  };
}

/** float16 is widened everywhere, so a cast to it becomes one to float32. */
function widenedCast(attribute: Attribute): Attribute {
  const { FLOAT, FLOAT16 } = TensorProto.DataType;
  return attribute.kind === "int" && attribute.value === FLOAT16 ? { kind: "int", value: FLOAT } : attribute;
}

/** @throws CommandError for a kind of attribute that this project does not handle. */
function readAttribute(
  attribute: proto.onnx.IAttributeProto,
  owner: string,
  readDataFile: ReadDataFile,
): Attribute {
  const { type, i, f, s, ints, floats, t } = attribute;
  if (type === AttributeType.INT) return { kind: "int", value: Number(i ?? 0) };
  if (type === AttributeType.FLOAT) return { kind: "float", value: f ?? 0 };
  if (type === AttributeType.STRING) return { kind: "string", value: Buffer.from(s ?? []).toString("utf8") };
  if (type === AttributeType.INTS) return { kind: "ints", value: (ints ?? []).map(Number) };
  if (type === AttributeType.FLOATS) return { kind: "floats", value: floats ?? [] };
  if (type === AttributeType.TENSOR) return { kind: "tensor", value: decodeTensor(t ?? {}, readDataFile) };
  throw new CommandError(
    `Attribute "${attribute.name}" of node "${owner}" has the unsupported type ${type}; supported are numbers, lists of numbers, strings and tensors.`,
  );
}

function readValueInfo(value: proto.onnx.IValueInfoProto): ValueInfo {
  const name = value.name ?? "";
  const tensor = value.type?.tensorType;
  if (tensor == null)
    throw new CommandError(`"${name}" is not a tensor; expected only tensors as inputs and outputs.`);
  const dims = (tensor.shape?.dim ?? []).map((dim) => dim.dimParam || Number(dim.dimValue ?? 0));
  return { name, type: fromProtoType(tensor.elemType ?? 0, name), dims };
}

/** Details of the file. */
export interface WriteOptions {
  /** Format version of the file; 7 goes with opset 12 and 13. */
  irVersion?: number;
  producer?: string;
  /** Lists every initialiser among the graph's inputs too, as IR 3 requires. */
  listInitializersAsInputs?: boolean;
}

/** Serialises a model. Equal graphs give equal bytes. */
export function writeOnnx(graph: Graph, options: WriteOptions = {}): Uint8Array {
  const { irVersion = 7, producer: producerName = "edge-resnet", listInitializersAsInputs } = options;
  const inputs = graph.inputs.map(valueInfo);
  if (listInitializersAsInputs) {
    for (const [name, { type, dims }] of graph.initializers) inputs.push(valueInfo({ name, type, dims }));
  }
  const bytes = ModelProto.encode({
    irVersion,
    producerName,
    opsetImport: [{ domain: "", version: graph.opset }],
    graph: {
      name: graph.name,
      node: graph.nodes.map(node),
      initializer: Array.from(graph.initializers, ([name, tensor]) => encodeTensor(name, tensor)),
      input: inputs,
      output: graph.outputs.map(valueInfo),
    },
  }).finish();
  // protobufjs returns a Buffer in Node. Its slice() is a view and small ones share memory, so return a plain array.
  const alone = bytes.byteLength === bytes.buffer.byteLength;
  return alone ? new Uint8Array(bytes.buffer) : Uint8Array.from(bytes);
}

function node({ name, op, domain, inputs, outputs, attributes }: GraphNode): proto.onnx.INodeProto {
  return {
    name,
    opType: op,
    ...(domain === "" ? {} : { domain }),
    input: [...inputs],
    output: [...outputs],
    attribute: Array.from(attributes, ([key, value]) => ({ name: key, ...attribute(value) })),
  };
}

function attribute({ kind, value }: Attribute): proto.onnx.IAttributeProto {
  if (kind === "int") return { type: AttributeType.INT, i: value };
  if (kind === "float") return { type: AttributeType.FLOAT, f: value };
  if (kind === "string") return { type: AttributeType.STRING, s: Buffer.from(value, "utf8") };
  if (kind === "ints") return { type: AttributeType.INTS, ints: [...value] };
  if (kind === "floats") return { type: AttributeType.FLOATS, floats: [...value] };
  return { type: AttributeType.TENSOR, t: encodeTensor("", value) };
}

function valueInfo({ name, type, dims }: ValueInfo): proto.onnx.IValueInfoProto {
  const dim = dims.map((d) => (typeof d === "number" ? { dimValue: d } : { dimParam: d }));
  return { name, type: { tensorType: { elemType: types[type].code, shape: { dim } } } };
}

type ITensorProto = proto.onnx.ITensorProto;
const { DataType, DataLocation } = proto.onnx.TensorProto;

/** ONNX's number of each type, its array, and its elements in a tensor that has no raw data. */
const types = {
  float32: { code: DataType.FLOAT, Elements: Float32Array, listed: (t: ITensorProto) => t.floatData },
  int8: { code: DataType.INT8, Elements: Int8Array, listed: (t: ITensorProto) => t.int32Data },
  uint8: { code: DataType.UINT8, Elements: Uint8Array, listed: (t: ITensorProto) => t.int32Data },
  int32: { code: DataType.INT32, Elements: Int32Array, listed: (t: ITensorProto) => t.int32Data },
  int64: {
    code: DataType.INT64,
    Elements: BigInt64Array,
    listed: (t: ITensorProto) => t.int64Data?.map((value) => BigInt(String(value))),
  },
} as const satisfies Record<ElementType, unknown>;

/**
 * Element type of ONNX's number. float16 counts as float32: readers widen it.
 * @param owner Names the value in the error.
 * @throws CommandError for a type that this project does not handle.
 */
function fromProtoType(code: number, owner: string): ElementType {
  if (code === DataType.FLOAT16) return "float32";
  const names = Object.keys(types) as ElementType[];
  const type = names.find((name) => types[name].code === code);
  if (type) return type;
  throw new CommandError(
    `"${owner}" has element type ${DataType[code] ?? code}; supported are FLOAT, FLOAT16, INT8, UINT8, INT32 and INT64. Export the model in float32.`,
  );
}

/** Returns a file that a model refers to by its path relative to the model. */
type ReadDataFile = (location: string) => Uint8Array;

/**
 * Reads a tensor. float16 is widened to float32, which holds each of its values exactly.
 * @param readDataFile For tensors with data outside the model.
 * @throws CommandError for unknown element types and a length that does not match the shape.
 */
function decodeTensor(source: ITensorProto, readDataFile: ReadDataFile): Tensor {
  const name = source.name ?? "";
  const dims = (source.dims ?? []).map(Number);
  const type = fromProtoType(source.dataType ?? 0, name);
  const raw = source.dataLocation === DataLocation.EXTERNAL ? external(source, readDataFile) : source.rawData;
  const data = source.dataType === DataType.FLOAT16 ? halfs(raw, source) : elements(type, raw, source);
  if (data.length !== elementCount(dims)) {
    throw new CommandError(
      `Tensor "${name}" has ${data.length} elements; its shape [${dims.join(",")}] needs ${elementCount(dims)}. The file is damaged; download or export it again.`,
    );
  }
  return { dims, type, data } as Tensor;
}

/** Raw data is little-endian, like every machine that Node runs on. It may be unaligned, so it is copied. */
function elements(type: ElementType, raw: ITensorProto["rawData"], source: ITensorProto): Tensor["data"] {
  const { Elements, listed } = types[type];
  if (raw?.byteLength) {
    const length = Math.floor(raw.byteLength / Elements.BYTES_PER_ELEMENT);
    return new Elements(new Uint8Array(raw).buffer, 0, length);
  }
  return (Elements as unknown as { from(values: unknown): Tensor["data"] }).from(listed(source) ?? []);
}

/** Listed elements are bit patterns in int32. */
function halfs(raw: ITensorProto["rawData"], { int32Data }: ITensorProto): Float32Array {
  if (!raw?.byteLength) return Float32Array.from(int32Data ?? [], fromHalf);
  const bits = new Uint16Array(new Uint8Array(raw).buffer, 0, Math.floor(raw.byteLength / 2));
  return Float32Array.from(bits, fromHalf);
}

/** Value of an IEEE 754 binary16: 1 bit of sign, 5 of exponent, 10 of fraction. */
function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = (bits & 1023) / 1024;
  if (exponent === 0) return sign * fraction * 2 ** -14;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction) * 2 ** (exponent - 15);
}

function external({ name, externalData }: ITensorProto, readDataFile: ReadDataFile): Uint8Array {
  const entries = new Map((externalData ?? []).map(({ key, value }) => [key, value ?? ""]));
  const file = readDataFile(entries.get("location") ?? "");
  const offset = Number(entries.get("offset") ?? 0);
  const length = Number(entries.get("length") ?? file.byteLength - offset);
  if (offset + length <= file.byteLength) return file.subarray(offset, offset + length);
  throw new CommandError(
    `Tensor "${name}" needs bytes ${offset} to ${offset + length} of ${entries.get("location")}, which has ${file.byteLength}. Copy the data file again, or export the model again.`,
  );
}

/** Writes a tensor as raw data. */
function encodeTensor(name: string, { dims, type, data }: Tensor): ITensorProto {
  const rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { name, dims: [...dims], dataType: types[type].code, rawData };
}

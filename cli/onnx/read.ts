/** Reads an .onnx file, and the data files beside it, into a Graph. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import proto from "onnx-proto";
import { CommandError } from "../terminal/fail.ts";
import type { Attribute, Graph, GraphNode, Tensor, ValueInfo } from "./graph.ts";
import { decodeTensor, fromProtoType, type ReadDataFile } from "./tensor-proto.ts";

const { AttributeProto, ModelProto, TensorProto } = proto.onnx;
const { AttributeType } = AttributeProto;

/** Supported ai.onnx operator sets: 7 removed BatchNormalization's `is_test`; 18 made ReduceMean's axes an input. */
export const minOpset = 7;
export const maxOpset = 18;

/** A model and what identifies it. */
export interface OnnxFile {
  graph: Graph;
  /** Of the .onnx file and its data files. */
  bytes: number;
  /** Of the .onnx file, followed by its data files in the order in which tensors refer to them. */
  sha256: string;
}

/**
 * Reads a model from its file. Tensors may have their data in other files of the same folder, as ONNX's external data.
 * @throws CommandError when a file cannot be read, and as {@link readOnnx}.
 */
export async function readOnnxFile(file: string): Promise<OnnxFile> {
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

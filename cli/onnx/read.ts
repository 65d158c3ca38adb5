/** Reads the bytes of an .onnx file into a Graph. No I/O. */
import proto from "onnx-proto";
import { CommandError } from "../terminal/fail.ts";
import type { Attribute, Graph, GraphNode, Tensor, ValueInfo } from "./graph.ts";
import { decodeTensor, fromProtoType } from "./tensor-proto.ts";

const { AttributeProto, ModelProto } = proto.onnx;
const { AttributeType } = AttributeProto;

/** Supported ai.onnx operator sets: 7 removed BatchNormalization's `is_test`; 18 made ReduceMean's axes an input. */
export const minOpset = 7;
export const maxOpset = 18;

/**
 * Reads a model. Initialisers that are also graph inputs, as IR 3 required, count as initialisers only.
 * @throws CommandError when the bytes are not an ONNX model, or it has an unsupported operator set or element type.
 */
export function readOnnx(bytes: Uint8Array): Graph {
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
  for (const tensor of graph.initializer ?? []) initializers.set(tensor.name ?? "", decodeTensor(tensor));
  return {
    name: graph.name ?? "",
    opset,
    nodes: (graph.node ?? []).map(readNode),
    initializers,
    inputs: (graph.input ?? []).filter((input) => !initializers.has(input.name ?? "")).map(readValueInfo),
    outputs: (graph.output ?? []).map(readValueInfo),
  };
}

function decode(bytes: Uint8Array): proto.onnx.ModelProto {
  try {
    return ModelProto.decode(bytes);
  } catch (cause) {
    const message = "The file is not ONNX: it is no protobuf ModelProto. Expected a model saved as .onnx.";
    throw new CommandError(message, { cause });
  }
}

function readNode(node: proto.onnx.INodeProto): GraphNode {
  const outputs = node.output ?? [];
  const name = node.name || outputs[0] || "";
  return {
    name,
    op: node.opType ?? "",
    domain: node.domain ?? "",
    inputs: node.input ?? [],
    outputs,
    attributes: new Map((node.attribute ?? []).map((a) => [a.name ?? "", readAttribute(a, name)])),
  };
}

/** @throws CommandError for a kind of attribute that this project does not handle. */
function readAttribute(attribute: proto.onnx.IAttributeProto, owner: string): Attribute {
  const { type, i, f, s, ints, floats, t } = attribute;
  if (type === AttributeType.INT) return { kind: "int", value: Number(i ?? 0) };
  if (type === AttributeType.FLOAT) return { kind: "float", value: f ?? 0 };
  if (type === AttributeType.STRING) return { kind: "string", value: Buffer.from(s ?? []).toString("utf8") };
  if (type === AttributeType.INTS) return { kind: "ints", value: (ints ?? []).map(Number) };
  if (type === AttributeType.FLOATS) return { kind: "floats", value: floats ?? [] };
  if (type === AttributeType.TENSOR) return { kind: "tensor", value: decodeTensor(t ?? {}) };
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

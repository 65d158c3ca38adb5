/** Bytes of an .onnx file -> Graph. No I/O. */
import proto from "onnx-proto";
import { OnnxError } from "./errors.ts";
import type { Attribute, Graph, GraphNode, Tensor, ValueInfo } from "./graph.ts";
import { decodeTensor, fromProtoType } from "./tensor-proto.ts";

const { AttributeProto, ModelProto } = proto.onnx;
const { AttributeType } = AttributeProto;

/** Operator sets of ai.onnx that are read: BatchNormalization lost `is_test` in 7; 18 gave ReduceMean its axes as an input. */
export const minOpset = 7;
export const maxOpset = 18;

/**
 * Reads a model. Initialisers that are also listed as graph inputs (IR 3 demanded it) count as initialisers only.
 * @throws OnnxError when the bytes are no ONNX model, or one of another operator set or element type.
 */
export function readOnnx(bytes: Uint8Array): Graph {
  const model = decode(bytes);
  const graph = model.graph;
  if (graph == null || (graph.node?.length ?? 0) === 0) {
    throw new OnnxError("The file holds no ONNX graph; expected a model saved as .onnx.");
  }
  const opset = Number(model.opsetImport.find((entry) => (entry.domain ?? "") === "")?.version ?? 0);
  if (opset < minOpset || opset > maxOpset) {
    throw new OnnxError(
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
    throw new OnnxError("The file is not ONNX: it does not parse as a protobuf ModelProto.", { cause });
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

function readAttribute(attribute: proto.onnx.IAttributeProto, owner: string): Attribute {
  switch (attribute.type) {
    case AttributeType.INT:
      return { kind: "int", value: Number(attribute.i ?? 0) };
    case AttributeType.FLOAT:
      return { kind: "float", value: attribute.f ?? 0 };
    case AttributeType.STRING:
      return { kind: "string", value: Buffer.from(attribute.s ?? []).toString("utf8") };
    case AttributeType.INTS:
      return { kind: "ints", value: (attribute.ints ?? []).map(Number) };
    case AttributeType.FLOATS:
      return { kind: "floats", value: attribute.floats ?? [] };
    case AttributeType.TENSOR:
      return { kind: "tensor", value: decodeTensor(attribute.t ?? {}) };
    default:
      throw new OnnxError(
        `Node "${owner}" has the attribute "${attribute.name}" of a type that is not supported (${attribute.type}); supported are numbers, lists of numbers, strings and tensors.`,
      );
  }
}

function readValueInfo(value: proto.onnx.IValueInfoProto): ValueInfo {
  const name = value.name ?? "";
  const tensor = value.type?.tensorType;
  if (tensor == null) throw new OnnxError(`"${name}" is not a tensor; expected only tensors in and out.`);
  const dims = (tensor.shape?.dim ?? []).map((dim) => dim.dimParam || Number(dim.dimValue ?? 0));
  return { name, type: fromProtoType(tensor.elemType ?? 0, name), dims };
}

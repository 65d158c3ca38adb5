/** Writes a Graph as the bytes of an .onnx file, with initialisers as raw data. No I/O. */
import proto from "onnx-proto";
import type { Attribute, Graph, GraphNode, ValueInfo } from "./graph.ts";
import { encodeTensor, toProtoType } from "./tensor-proto.ts";

const { AttributeProto, ModelProto } = proto.onnx;
const { AttributeType } = AttributeProto;

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
  return { name, type: { tensorType: { elemType: toProtoType(type), shape: { dim } } } };
}

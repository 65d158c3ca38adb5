/** Graph -> bytes of an .onnx file, initialisers as raw data. No I/O. */
import proto from "onnx-proto";
import type { Attribute, Graph, GraphNode, ValueInfo } from "./graph.ts";
import { encodeTensor, toProtoType } from "./tensor-proto.ts";

const { AttributeProto, ModelProto } = proto.onnx;
const { AttributeType } = AttributeProto;

/** Domain of ONNX Runtime's own operators. */
export const microsoft = "com.microsoft";

export interface WriteOptions {
  /** Format version of the file; 7 goes with opset 12 and 13. */
  irVersion?: number;
  producer?: string;
  /** IR 3 wanted every initialiser among the graph's inputs too. */
  listInitializersAsInputs?: boolean;
}

/** Serialises a model. The same graph gives the same bytes, always. */
export function writeOnnx(graph: Graph, options: WriteOptions = {}): Uint8Array {
  const inputs = graph.inputs.map(valueInfo);
  if (options.listInitializersAsInputs) {
    for (const [name, { type, dims }] of graph.initializers) inputs.push(valueInfo({ name, type, dims }));
  }
  const opsetImport = [{ domain: "", version: graph.opset }];
  if (graph.nodes.some((node) => node.domain === microsoft))
    opsetImport.push({ domain: microsoft, version: 1 });
  const bytes = ModelProto.encode({
    irVersion: options.irVersion ?? 7,
    producerName: options.producer ?? "edge-resnet",
    opsetImport,
    graph: {
      name: graph.name,
      node: graph.nodes.map(node),
      initializer: Array.from(graph.initializers, ([name, tensor]) => encodeTensor(name, tensor)),
      input: inputs,
      output: graph.outputs.map(valueInfo),
    },
  }).finish();
  // In Node protobufjs gives a Buffer, whose slice() is a view, and small ones share one ArrayBuffer: a surprise for
  // whoever copies or transfers the bytes.
  const alone = bytes.byteLength === bytes.buffer.byteLength;
  return alone ? new Uint8Array(bytes.buffer) : Uint8Array.from(bytes);
}

function node(source: GraphNode): proto.onnx.INodeProto {
  return {
    name: source.name,
    opType: source.op,
    ...(source.domain === "" ? {} : { domain: source.domain }),
    input: [...source.inputs],
    output: [...source.outputs],
    attribute: Array.from(source.attributes, ([name, value]) => attribute(name, value)),
  };
}

function attribute(name: string, source: Attribute): proto.onnx.IAttributeProto {
  switch (source.kind) {
    case "int":
      return { name, type: AttributeType.INT, i: source.value };
    case "float":
      return { name, type: AttributeType.FLOAT, f: source.value };
    case "string":
      return { name, type: AttributeType.STRING, s: Buffer.from(source.value, "utf8") };
    case "ints":
      return { name, type: AttributeType.INTS, ints: [...source.value] };
    case "floats":
      return { name, type: AttributeType.FLOATS, floats: [...source.value] };
    case "tensor":
      return { name, type: AttributeType.TENSOR, t: encodeTensor("", source.value) };
  }
}

function valueInfo(value: ValueInfo): proto.onnx.IValueInfoProto {
  const dim = value.dims.map((d) => (typeof d === "number" ? { dimValue: d } : { dimParam: d }));
  return { name: value.name, type: { tensorType: { elemType: toProtoType(value.type), shape: { dim } } } };
}

import proto from "onnx-proto";
import { describe, expect, test } from "vitest";
import type { Graph, Tensor } from "../../../cli/onnx/graph.ts";
import { float, int, ints } from "../../../cli/onnx/graph.ts";
import { readOnnx } from "../../../cli/onnx/read.ts";
import { writeOnnx } from "../../../cli/onnx/write.ts";

const { ModelProto, TensorProto } = proto.onnx;

const tensors: Record<string, Tensor> = {
  f: { type: "float32", dims: [2, 2], data: Float32Array.of(1.5, -2, 0.1, 3e-20) },
  i8: { type: "int8", dims: [3], data: Int8Array.of(-128, 0, 127) },
  u8: { type: "uint8", dims: [], data: Uint8Array.of(200) },
  i32: { type: "int32", dims: [2], data: Int32Array.of(-(2 ** 31), 7) },
  i64: { type: "int64", dims: [2], data: BigInt64Array.of(-1n, 2n ** 40n) },
};

const graph: Graph = {
  name: "g",
  opset: 13,
  nodes: [
    {
      name: "n",
      op: "Foo",
      domain: "",
      inputs: ["x", "", ...Object.keys(tensors)],
      outputs: ["y"],
      attributes: new Map(
        Object.entries({
          i: int(-3),
          f: float(0.25),
          s: { kind: "string", value: "grüße" } as const,
          is: ints(1, -2, 3),
          fs: { kind: "floats", value: [0.5, -1] } as const,
          t: { kind: "tensor", value: tensors.i64! } as const,
        }),
      ),
    },
  ],
  initializers: new Map(Object.entries(tensors)),
  inputs: [{ name: "x", type: "float32", dims: ["N", 3, 4, 4] }],
  outputs: [{ name: "y", type: "uint8", dims: [1] }],
};

type Changes = (model: proto.onnx.ModelProto) => void;

/** The graph's file, changed. */
function altered(change: Changes): Uint8Array {
  const model = ModelProto.decode(writeOnnx(graph));
  change(model);
  return ModelProto.encode(model).finish();
}

describe("ONNX files", () => {
  test("come back as they were written: nodes, attributes of every kind, tensors of every type", () => {
    expect(readOnnx(writeOnnx(graph))).toEqual(graph);
  });

  test("list initialisers among the inputs, as IR 3 wants it, and they are no inputs all the same", () => {
    const bytes = writeOnnx(graph, { irVersion: 3, listInitializersAsInputs: true });
    expect(ModelProto.decode(bytes).graph?.input).toHaveLength(1 + 5);
    expect(readOnnx(bytes).inputs).toEqual(graph.inputs);
  });

  test("may keep tensors as typed data instead of raw data", () => {
    const bytes = altered((model) => {
      for (const tensor of model.graph!.initializer!) {
        const { data, type } = tensors[tensor.name!]!;
        tensor.rawData = new Uint8Array(0);
        if (type === "float32") tensor.floatData = Array.from(data as Float32Array);
        else if (type === "int64") tensor.int64Data = Array.from(data as BigInt64Array, Number);
        else tensor.int32Data = Array.from(data as Int8Array);
      }
    });
    expect(readOnnx(bytes).initializers).toEqual(graph.initializers);
  });

  test("are written alike each time", () => {
    expect(Buffer.from(writeOnnx(graph)).equals(writeOnnx(graph))).toBe(true);
  });

  test.each<[string, Changes, RegExp]>([
    [
      "an operator set that is too old",
      (m) => (m.opsetImport[0]!.version = 6),
      /operator set 6; expected 7 to 18/,
    ],
    [
      "an operator set that is too new",
      (m) => (m.opsetImport[0]!.version = 21),
      /operator set 21; expected 7 to 18/,
    ],
    [
      "a tensor in another file",
      (m) => (m.graph!.initializer![0]!.dataLocation = TensorProto.DataLocation.EXTERNAL),
      /Tensor "f" keeps its data in another file.*without external data/,
    ],
    [
      "a float16 tensor",
      (m) => (m.graph!.initializer![0]!.dataType = TensorProto.DataType.FLOAT16),
      /"f" has element type FLOAT16; supported are FLOAT/,
    ],
    [
      "a tensor that is too short for its shape",
      (m) => (m.graph!.initializer![0]!.dims = [2, 3]),
      /Tensor "f" has 4 elements; its shape \[2,3\] needs 6/,
    ],
    ["a model without nodes", (m) => (m.graph!.node = []), /holds no ONNX graph/],
  ])("are refused: %s", (_, change, message) => {
    expect(() => readOnnx(altered(change))).toThrow(message);
  });

  test.each([
    ["text", new TextEncoder().encode("<!doctype html><title>404</title>")],
    ["nothing", new Uint8Array(0)],
    ["half a file", writeOnnx(graph).subarray(0, 150)],
  ])("are refused: %s", (_, bytes) => {
    expect(() => readOnnx(bytes)).toThrow(/is not ONNX|holds no ONNX graph/);
  });
});

import { createHash } from "node:crypto";
import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import proto from "onnx-proto";
import { describe, expect, test } from "vitest";
import { readOnnx, readOnnxFile, writeOnnx } from "../../../cli/onnx/file.ts";
import type { Graph, Tensor } from "../../../cli/onnx/graph.ts";
import { float, int, ints } from "../../../cli/onnx/graph.ts";

const { AttributeProto, ModelProto, TensorProto } = proto.onnx;

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
      (m) => Object.assign(m.graph!.initializer![0]!, externalData("weights.bin")),
      /keeps weights in weights\.bin; expected them inside the \.onnx file.*without external data/,
    ],
    [
      "a bfloat16 tensor",
      (m) => (m.graph!.initializer![0]!.dataType = TensorProto.DataType.BFLOAT16),
      /"f" has element type BFLOAT16; supported are FLOAT, FLOAT16/,
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
    expect(() => readOnnx(bytes)).toThrow(/is not an ONNX model|holds no ONNX graph/);
  });
});

const halfs: [bits: number, value: number][] = [
  [0x3c00, 1],
  [0xc000, -2],
  [0x3555, 1365 / 4096],
  [0x7bff, 65504],
  [0x0001, 2 ** -24],
  [0x8000, -0],
  [0x7c00, Number.POSITIVE_INFINITY],
  [0x7e00, Number.NaN],
];

describe("float16", () => {
  const float16 = TensorProto.DataType.FLOAT16;
  const bits = Uint16Array.from(halfs, ([pattern]) => pattern);
  const values = halfs.map(([, value]) => value);

  test.each([
    ["raw", { rawData: new Uint8Array(bits.buffer) }],
    ["listed", { rawData: new Uint8Array(0), int32Data: Array.from(bits) }],
  ])("weights, %s, are widened to float32 without a change of value", (_, data) => {
    const bytes = altered((model) => {
      Object.assign(model.graph!.initializer![0]!, { dataType: float16, dims: [bits.length], ...data });
    });
    const tensor = readOnnx(bytes).initializers.get("f")!;
    expect(tensor.type).toBe("float32");
    expect(Array.from(tensor.data as Float32Array)).toEqual(values);
  });

  test("inputs, outputs and casts become float32 too", () => {
    const bytes = altered((model) => {
      model.graph!.input![0]!.type!.tensorType!.elemType = float16;
      model.graph!.node![0]!.opType = "Cast";
      model.graph!.node![0]!.attribute = [{ name: "to", type: AttributeProto.AttributeType.INT, i: float16 }];
    });
    const { inputs, nodes } = readOnnx(bytes);
    expect(inputs[0]!.type).toBe("float32");
    expect(nodes[0]!.attributes.get("to")).toEqual(int(TensorProto.DataType.FLOAT));
  });
});

function externalData(location: string, entries: Record<string, number> = {}) {
  const pairs = Object.entries({ location, ...entries });
  return {
    dataLocation: TensorProto.DataLocation.EXTERNAL,
    rawData: new Uint8Array(0),
    externalData: pairs.map(([key, value]) => ({ key, value: String(value) })),
  };
}

describe("weights in a file beside the model", () => {
  /** A folder with the model, whose tensor f has its data in weights.bin after 8 other bytes. */
  async function folderWith(location: string, length = 16): Promise<string> {
    const folder = await mkdtemp(path.join(tmpdir(), "onnx-"));
    const weights = new Uint8Array(8 + 16);
    weights.set(new Uint8Array((tensors.f!.data as Float32Array).buffer), 8);
    await writeFile(path.join(folder, "weights.bin"), weights);
    const bytes = altered((model) => {
      Object.assign(model.graph!.initializer![0]!, externalData(location, { offset: 8, length }));
    });
    await writeFile(path.join(folder, "model.onnx"), bytes);
    return folder;
  }

  test("are read, and count for the model's size and hash", async () => {
    const folder = await folderWith("weights.bin");
    const file = path.join(folder, "model.onnx");
    const first = await readOnnxFile(file);
    expect(first.graph.initializers.get("f")).toEqual(tensors.f);
    expect(first.bytes).toBe((await readFile(file)).length + 24);
    await writeFile(path.join(folder, "weights.bin"), new Uint8Array(24));
    expect((await readOnnxFile(file)).sha256).not.toBe(first.sha256);
  });

  test.each([
    [
      "a file that is missing",
      "other.bin",
      16,
      /keeps its weights in .*other\.bin, which cannot be read; put/,
    ],
    [
      "a file outside the folder",
      "../weights.bin",
      16,
      /refers to \.\.\/weights\.bin; expected data files in/,
    ],
    ["an absolute path", "/etc/passwd", 16, /refers to \/etc\/passwd; expected data files in the folder/],
    ["a file that is too short", "weights.bin", 17, /"f" needs bytes 8 to 25 of weights\.bin, which has 24/],
  ])("are refused: %s", async (_, location, length, message) => {
    const folder = await folderWith(location, length);
    await expect(readOnnxFile(path.join(folder, "model.onnx"))).rejects.toThrow(message);
  });

  test("without such a file, size and hash are those of the model alone", async () => {
    const folder = await folderWith("weights.bin");
    const bytes = writeOnnx(graph);
    await writeFile(path.join(folder, "model.onnx"), bytes);
    const { sha256 } = await readOnnxFile(path.join(folder, "model.onnx"));
    expect(sha256).toBe(createHash("sha256").update(bytes).digest("hex"));
  });
});

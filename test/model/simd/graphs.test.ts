/** What the SIMD engine reads, and what it refuses: each refusal names the node. */
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { readOnnx as readWithLibrary } from "../../../cli/onnx/file.ts";
import { packsFolder } from "../../../cli/store/local-pack.ts";
import { defaultModelName } from "../../../src/default-model.ts";
import { UnsupportedGraphError } from "../../../src/model/engine.ts";
import { readOnnx } from "../../../src/model/simd/onnx-file.ts";
import { SmallGraph } from "./small-network.ts";

const filter = { dims: [8, 8, 3, 3], stride: 1, pad: 1 } as const;
const weights = new Int8Array(576).fill(1);

/** A block with everything: a copy of the image, two convolutions and a shortcut. */
function block() {
  const graph = new SmallGraph();
  const x = graph.copy(graph.quantise(graph.image), 8);
  const inner = graph.convolveToLevels(x, weights, filter);
  const branch = graph.convolveToFloat(inner, weights, filter, 1, 0);
  const output = graph.node("Relu", [graph.node("Add", [branch, graph.dequantise(x)])]);
  return { graph, output };
}

type Block = ReturnType<typeof block>;
const nodeOf = ({ graph }: Block, op: string) => graph.nodes.findLast((node) => node.op === op)!;
const change = (made: Block, op: string, changes: object) => {
  const node = nodeOf(made, op);
  made.graph.nodes[made.graph.nodes.indexOf(node)] = { ...node, ...changes };
};
const attribute = (made: Block, op: string, name: string, values: number[]) =>
  change(made, op, { attributes: new Map([...nodeOf(made, op).attributes, [name, values]]) });
const replaceInput = (made: Block, op: string, index: number, name: string) =>
  change(made, op, { inputs: nodeOf(made, op).inputs.with(index, name) });

describe("a graph is refused", () => {
  test.each<[string, (made: Block) => void, RegExp]>([
    [
      "with an unknown operator",
      (made) => change(made, "QLinearConv", { op: "Conv" }),
      /the node QLinearConv-\d has the operator Conv/,
    ],
    [
      "with dilations",
      (made) => attribute(made, "ConvInteger", "dilations", [2, 2]),
      /ConvInteger-\d has the attribute dilations/,
    ],
    [
      "with groups",
      (made) => attribute(made, "QLinearConv", "group", [8]),
      /QLinearConv-\d has the attribute group/,
    ],
    [
      "with automatic padding",
      (made) => attribute(made, "QLinearConv", "auto_pad", []),
      /the attribute auto_pad/,
    ],
    [
      "with a stride of 0",
      (made) => attribute(made, "ConvInteger", "strides", [0, 1]),
      /ConvInteger-\d has strides of 0 and 1/,
    ],
    [
      "with a cast to another type",
      (made) => attribute(made, "Cast", "to", [10]),
      /Cast-\d has a type other than float32/,
    ],
    [
      "with a zero point of u8 weights other than 128",
      (made) => replaceInput(made, "ConvInteger", 3, made.graph.u8(127)),
      /zero point of its u8 weights other than 128/,
    ],
    [
      "with a zero point of int8 weights other than 0",
      (made) => replaceInput(made, "QLinearConv", 5, made.graph.constant(new Int8Array(8).fill(1), [8])),
      /zero point of its int8 weights other than 0/,
    ],
    [
      "with weights of another type",
      (made) => replaceInput(made, "QLinearConv", 3, made.graph.constant(new Float32Array(576), filter.dims)),
      /QLinearConv-\d has weights of type 1/,
    ],
    [
      "with a scale of 0",
      (made) => replaceInput(made, "DequantizeLinear", 1, made.graph.float(0)),
      /DequantizeLinear-\d has the scale 0/,
    ],
    [
      "with a scale that is not a number",
      (made) => replaceInput(made, "DequantizeLinear", 1, made.graph.float(Number.NaN)),
      /has the scale NaN/,
    ],
    [
      "with too few biases",
      (made) => replaceInput(made, "QLinearConv", 8, made.graph.constant(new Int32Array(7), [7])),
      /28 bytes of type 6 as input 8; expected 8 values of type 6/,
    ],
    [
      "with weights for other channels",
      (made) =>
        replaceInput(made, "ConvInteger", 1, made.graph.constant(new Uint8Array(8 * 16 * 9), [8, 16, 3, 3])),
      /weights for 16 channels and an input with 8/,
    ],
    [
      "with a constant that is cut off",
      (made) => {
        const [, , , name] = nodeOf(made, "QLinearConv").inputs;
        const constant = made.graph.constants.get(name!)!;
        made.graph.constants.set(name!, { ...constant, data: constant.data.subarray(1) });
      },
      /an input 3 that is not a constant of plain data/,
    ],
    [
      "with a value of another type",
      (made) => replaceInput(made, "QLinearConv", 0, made.graph.image),
      /QLinearConv-\d has the value data in float32 instead of u8/,
    ],
    [
      "with a value that no node computes",
      (made) => replaceInput(made, "QLinearConv", 0, "nowhere"),
      /the value nowhere, which no node before it computes/,
    ],
    [
      "with a shortcut of another shape",
      (made) => {
        const { graph } = made;
        const other = graph.dequantise(graph.convolveToLevels("value1", weights, { ...filter, stride: 2 }));
        graph.nodes.splice(2, 0, ...graph.nodes.splice(-2));
        replaceInput(made, "Add", 1, other);
      },
      /a shortcut of another shape/,
    ],
    [
      "whose sums two nodes read",
      (made) => void made.graph.node("Cast", [nodeOf(made, "ConvInteger").outputs[0]!], { to: [1] }),
      /an output that Cast, Cast reads; expected one Cast/,
    ],
    [
      "whose addition has no ReLU",
      (made) => {
        made.graph.nodes.pop();
        made.output = nodeOf(made, "Add").outputs[0]!;
      },
      /Add-\d+ has an output that nothing reads; expected one Relu/,
    ],
  ])("%s", (_, damage, message) => {
    const made = block();
    made.graph.prepare([8, 6, 6], made.output);
    damage(made);
    const prepare = () => made.graph.prepare([8, 6, 6], made.output);
    expect(prepare).toThrow(UnsupportedGraphError);
    expect(prepare).toThrow(message);
  });

  test("with a filter larger than its padded input", () => {
    const graph = new SmallGraph();
    const output = graph.convolveToFloat(
      graph.copy(graph.quantise(graph.image), 8),
      weights,
      { ...filter, pad: 0 },
      1,
      0,
    );
    expect(() => graph.prepare([8, 2, 2], output)).toThrow(/a filter larger than its input/);
  });
});

test.each([2 ** 28, 2 ** 40, 2 ** 64])("a padding of %i is a RangeError, not an allocation", (pad) => {
  const graph = new SmallGraph();
  const x = graph.copy(graph.quantise(graph.image), 8);
  const output = graph.dequantise(graph.convolveToLevels(x, weights, { ...filter, pad }));
  expect(() => graph.prepare([8, 6, 6], output)).toThrow(RangeError);
});

describe("an ONNX file", async () => {
  const folder = path.join(packsFolder, defaultModelName);
  const shards = (await readdir(folder)).filter((file) => file.endsWith(".onnx"));

  test.each(shards)("%s has the nodes and constants that the library reads", async (file) => {
    const bytes = new Uint8Array(await readFile(path.join(folder, file)));
    const [ours, theirs] = [readOnnx(bytes), readWithLibrary(bytes)];
    expect(ours.nodes.map(({ op, name, inputs, outputs }) => ({ op, name, inputs, outputs }))).toEqual(
      theirs.nodes.map(({ op, name, inputs, outputs }) => ({ op, name, inputs, outputs })),
    );
    expect([...ours.constants.keys()]).toEqual([...theirs.initializers.keys()]);
    for (const [name, { dims, data }] of ours.constants) {
      const expected = theirs.initializers.get(name)!;
      expect(dims).toEqual(expected.dims);
      const values = expected.data as Uint8Array;
      expect(Buffer.compare(data, new Uint8Array(values.buffer, values.byteOffset, values.byteLength))).toBe(
        0,
      );
    }
  });

  test("that is cut off or changed at any place gives a graph or an error, and never hangs", () => {
    const tensor = [8, 2, 8, 3, 16, 3, 66, 1, 119, 74, 2, 1, 2];
    const node = [10, 1, 119, 18, 1, 121, 26, 1, 110, 34, 4, 82, 101, 108, 117];
    const graph = [10, node.length, ...node, 42, tensor.length, ...tensor, 90, 3, 10, 1, 120];
    const file = Uint8Array.of(58, graph.length, ...graph);
    expect(readOnnx(file)).toMatchObject({
      nodes: [{ op: "Relu", name: "n", inputs: ["w"], outputs: ["y"] }],
      constants: new Map([["w", { type: 3, dims: [2, 3], data: Uint8Array.of(1, 2) }]]),
      inputs: ["x"],
    });
    for (let end = 0; end < file.length; end++) attempt(file.subarray(0, end));
    for (let at = 0; at < file.length; at++)
      for (let value = 0; value < 256; value++) attempt(file.with(at, value));
  });
});

function attempt(bytes: Uint8Array): void {
  try {
    readOnnx(bytes);
  } catch (error) {
    expect((error as Error).message).toMatch(/^it (has|ends)/);
  }
}

import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import {
  tinyBottleneckSpec,
  tinySpec,
  zooBytes,
  zooGraphUnmeasured,
  zooSpecs,
} from "../../../bench/stand-in/stand-in.ts";
import { readOnnx } from "../../../cli/onnx/file.ts";
import { type Attribute, type Graph, type GraphNode, int, ints } from "../../../cli/onnx/graph.ts";
import { readResNet } from "../../../cli/pack/read-resnet.ts";
import { architecture, type Block, convolutions } from "../../../cli/pack/resnet.ts";
import { node, withAveragePool, withSigmoid } from "../../support/export-forms.ts";
import { topologyText } from "../../support/topology-text.ts";
import { torchvisionGraph } from "../../support/torchvision-onnx.ts";

const fixture = path.join(import.meta.dirname, "../../fixtures/resnet34-v1-7.topology.txt");

describe("the stand-in for the zoo's files", () => {
  test("is resnet34-v1-7 node for node, name for name, attribute for attribute, and of its size", () => {
    const graph = zooGraphUnmeasured(zooSpecs.resnet34);
    expect(topologyText(graph)).toBe(readFileSync(fixture, "utf8"));
    expect(Math.abs(zooBytes(graph).length - 87_302_588)).toBeLessThan(1024);
  });

  test("is of the size of resnet18-v1-7", () => {
    expect(Math.abs(zooBytes(zooGraphUnmeasured(zooSpecs.resnet18)).length - 46_820_737)).toBeLessThan(1024);
  });
});

describe("reading", () => {
  test.each(Object.entries(zooSpecs))("finds the published architecture of %s", (name, spec) => {
    const thin = { ...spec, channels: spec.channels.map((c) => c / 16), classes: 10, size: 32 };
    const net = readResNet(readOnnx(zooBytes(zooGraphUnmeasured(thin))));
    expect(architecture(net)).toBe(name);
    expect(net.blocks.filter((block) => block.downsample)).toHaveLength(spec.bottleneck ? 4 : 3);
    expect(net.blocks.map((block) => block.name)).toEqual(
      spec.blocks.flatMap((count, stage) =>
        Array.from({ length: count }, (_, i) => `stage${stage + 1}.${i}`),
      ),
    );
  });

  test("tells a wide ResNet by its bottlenecks", () => {
    const net = readResNet(zooGraphUnmeasured(tinyBottleneckSpec));
    const wide = ({ convs, ...block }: Block): Block => ({
      ...block,
      convs: convs.map((conv, i) => (i < 2 ? { ...conv, dims: [2 * conv.dims[0], 1, 1, 1] } : conv)),
    });
    expect(architecture(net)).toBe("resnet14");
    expect(architecture({ ...net, blocks: net.blocks.map(wide) })).toBe("wide_resnet14_2");
  });

  test("keeps the stride where each exporter has it: first 1x1 in the zoo, 3x3 in torchvision", async () => {
    const strides = (graph: Graph) =>
      readResNet(graph)
        .blocks.find((block) => block.name === "stage2.0")!
        .convs.map((conv) => conv.strides[0]);
    expect(strides(zooGraphUnmeasured(tinyBottleneckSpec))).toEqual([2, 1, 1]);
    expect(strides(await torchvisionGraph(tinyBottleneckSpec))).toEqual([1, 2, 1]);
  });

  test("reads torchvision's form: any class count, free batch, shared biases, both kinds of pooling", async () => {
    for (const options of [{}, { pooling: "reduce-mean" }, { pooling: "reduce-mean", opset: 18 }] as const) {
      const graph = await torchvisionGraph({ ...tinySpec, classes: 7 }, options);
      const net = readResNet(graph);
      expect(net.dense).toMatchObject({ classes: 7, features: 16 });
      expect(net.input).toEqual({ name: "input", size: 32, normalisation: null, channels: "RGB" });
      expect(convolutions(net)).toHaveLength(10);
    }
  });

  test("takes a batch of one image, or a free batch", () => {
    const graph = zooGraphUnmeasured(tinySpec);
    for (const batch of [1, 0, "N"]) {
      const inputs = [{ ...graph.inputs[0]!, dims: [batch, 3, 32, 32] }];
      expect(readResNet({ ...graph, inputs }).input.size).toBe(32);
    }
  });

  test("takes an input whose height and width are free", () => {
    const graph = zooGraphUnmeasured(tinySpec);
    const inputs = [{ ...graph.inputs[0]!, dims: ["N", 3, "H", "W"] }];
    expect(readResNet({ ...graph, inputs }).input.size).toBeNull();
  });
});

/** The tiny network with the node of that name changed. */
function withNode(name: string, change: (node: GraphNode) => Partial<GraphNode>): Graph {
  const graph = zooGraphUnmeasured(tinySpec);
  expect(graph.nodes.some((node) => node.name === name)).toBe(true);
  return {
    ...graph,
    nodes: graph.nodes.map((node) => (node.name === name ? { ...node, ...change(node) } : node)),
  };
}

/** The tiny network in which element 3 of a tensor has another value. */
function withWeights(name: string, value: number): Graph {
  const graph = zooGraphUnmeasured(tinySpec);
  const tensor = graph.initializers.get(name)!;
  if (tensor.type !== "float32") throw new Error(`${name} is ${tensor.type}; expected float32`);
  tensor.data[3] = value;
  return graph;
}

const withAttribute = (name: string, key: string, value: Attribute) =>
  withNode(name, (node) => ({ attributes: new Map(node.attributes).set(key, value) }));

describe("a model that is no ResNet v1 is refused by node, operator and what is supported", () => {
  const base = zooGraphUnmeasured(tinySpec);
  const conv = "resnetv16_stage1_conv0_fwd";
  const cases: [string, Graph, RegExp][] = [
    [
      "another operator",
      withNode("resnetv16_stage1_relu0_fwd", () => ({ op: "LeakyRelu" })),
      /Node "resnetv16_stage1_relu0_fwd" \(LeakyRelu\).*expected/,
    ],
    [
      "another operator after an addition",
      withNode("resnetv16_stage1_activation0", () => ({ op: "Sigmoid" })),
      /"resnetv16_stage1_activation0" \(Sigmoid\) is not supported here; expected Relu\. Supported are ResNet v1/,
    ],
    [
      "a foreign domain",
      withNode("resnetv16_pool0_fwd", () => ({ domain: "com.microsoft" })),
      /"resnetv16_pool0_fwd" \(com\.microsoft\.MaxPool\)/,
    ],
    [
      "average pooling at the start",
      withNode("resnetv16_pool0_fwd", () => ({ op: "AveragePool" })),
      /"resnetv16_pool0_fwd" \(AveragePool\) is not supported here; expected MaxPool/,
    ],
    [
      "grouped convolution",
      withAttribute(conv, "group", int(2)),
      /"resnetv16_stage1_conv0_fwd" \(Conv\) has 2 groups, as in ResNeXt; expected 1/,
    ],
    [
      "dilated convolution",
      withAttribute(conv, "dilations", ints(2, 2)),
      /\(Conv\) has dilations 2,2; expected 1,1/,
    ],
    [
      "automatic padding",
      withAttribute(conv, "auto_pad", { kind: "string", value: "SAME_UPPER" }),
      /has auto_pad SAME_UPPER; expected explicit pads/,
    ],
    [
      "pooling that rounds up",
      withAttribute("resnetv16_pool0_fwd", "ceil_mode", int(1)),
      /\(MaxPool\) has ceil_mode 1; expected 0/,
    ],
    [
      "BatchNorm in training mode, from operator set 14 on",
      withAttribute("resnetv16_batchnorm0_fwd", "training_mode", int(1)),
      /\(BatchNormalization\) is in training mode.*call model\.eval\(\) before the export/,
    ],
    [
      "BatchNorm in training mode, before operator set 14",
      withNode("resnetv16_batchnorm0_fwd", ({ outputs }) => ({
        outputs: [...outputs, "mean", "var", "saved_mean", "saved_var"],
      })),
      /\(BatchNormalization\) is in training mode.*call model\.eval\(\) before the export/,
    ],
    [
      "BatchNorm of other channels before the first convolution",
      {
        ...base,
        inputs: base.inputs,
        nodes: [
          {
            ...base.nodes[1]!,
            name: "bn_data",
            inputs: ["data", ...base.nodes[1]!.inputs.slice(1)],
            outputs: ["normalised"],
          },
          ...base.nodes.map((node, i) =>
            i === 0 ? { ...node, inputs: ["normalised", node.inputs[1]!] } : node,
          ),
        ],
      },
      /"bn_data" \(BatchNormalization\) has 8 channels; expected 3, as its input has/,
    ],
    [
      "a sigmoid for each of several classes",
      withSigmoid(base),
      /"probabilities" \(Sigmoid\) follows the 10 logits\. .*a probability of its own.*Train it with a softmax/,
    ],
    [
      "another operator at the end",
      { ...base, nodes: [...base.nodes, node("Exp", "exp", ["resnetv16_dense0_fwd"])] },
      /"exp" \(Exp\) follows the 10 logits\. Export the model so that it ends with the logits, or with a Softmax/,
    ],
    [
      "average pooling of parts of the map at the end",
      withAveragePool(2)(base),
      /\(AveragePool\) averages 2x2 pixels of 4x4; expected all of them\. Use adaptive average pooling to 1x1\./,
    ],
    [
      "average pooling of a map of unknown size",
      withAveragePool(4)({ ...base, inputs: [{ ...base.inputs[0]!, dims: ["N", 3, "H", "W"] }] }),
      /averages 4x4 pixels of a size that the file leaves free; .* or export the model with a fixed input size/,
    ],
    [
      "two outputs",
      { ...base, outputs: [...base.outputs, { name: "resnetv16_pool1_fwd", type: "float32", dims: [1] }] },
      /has 2 outputs: resnetv16_dense0_fwd, resnetv16_pool1_fwd; expected only the classes, "resnetv16_dense0_fwd"\. Export it with that output alone; in PyTorch/,
    ],
    [
      "weights from a computation",
      withNode(conv, (node) => ({ inputs: [node.inputs[0]!, "data"] })),
      /\(Conv\) (takes its input "data" from a computation|reads "data")/,
    ],
    [
      "a grey input",
      { ...base, inputs: [{ ...base.inputs[0]!, dims: ["N", 1, 32, 32] }] },
      /Input "data" is float32 \[N,1,32,32\]; expected float32 \[N,3,H,W\]/,
    ],
    [
      "an oblong input",
      { ...base, inputs: [{ ...base.inputs[0]!, dims: [1, 3, 32, 48] }] },
      /expected a square image/,
    ],
    [
      "a fixed batch of eight images",
      { ...base, inputs: [{ ...base.inputs[0]!, dims: [8, 3, 32, 32] }] },
      /Input "data" is float32 \[8,3,32,32\]: the batch size is fixed at 8; expected 1 or a free one\. Export/,
    ],
    [
      "a weight of NaN",
      withWeights("resnetv16_stage1_conv0_weight", Number.NaN),
      /"resnetv16_stage1_conv0_fwd" \(Conv\) reads "resnetv16_stage1_conv0_weight", whose element 3 is NaN/,
    ],
    [
      "an infinite weight of the classifier",
      withWeights("resnetv16_dense0_weight", Number.POSITIVE_INFINITY),
      /\(Gemm\) reads "resnetv16_dense0_weight", whose element 3 is Infinity; expected finite numbers/,
    ],
    [
      "a negative variance",
      withWeights("resnetv16_batchnorm0_running_var", -1),
      /\(BatchNormalization\) has a variance of -1 in channel 3; expected a positive one/,
    ],
    [
      "two inputs",
      { ...base, inputs: [...base.inputs, { name: "mask", type: "float32", dims: [1] }] },
      /has 2 inputs; expected one/,
    ],
    [
      "no blocks",
      {
        ...base,
        nodes: [
          ...base.nodes.slice(0, 4),
          { ...base.nodes.at(-3)!, inputs: ["resnetv16_pool0_fwd"] },
          ...base.nodes.slice(-2),
        ],
      },
      /is not supported here; expected a residual block/,
    ],
    [
      "a dense layer with alpha",
      withAttribute("resnetv16_dense0_fwd", "alpha", { kind: "float", value: 0.5 }),
      /\(Gemm\) has alpha 0.5; expected 1/,
    ],
    [
      "an end without a classifier",
      { ...base, nodes: base.nodes.slice(0, -3) },
      /The graph ends after .*expected a classifier/,
    ],
  ];
  test.each(cases)("%s", (_, graph, message) => {
    expect(() => readResNet(graph)).toThrow(message);
    expect(() => readResNet(graph)).toThrow(expect.objectContaining({ name: "CommandError" }));
  });

  test("a plain chain without shortcuts", () => {
    const chain = {
      ...base,
      nodes: base.nodes.map((node) =>
        node.op === "Add" ? { ...node, op: "Identity", inputs: [node.inputs[1]!] } : node,
      ),
    };
    expect(() => readResNet(chain)).toThrow(
      /Node "resnetv16_stage1_conv0_fwd" \(Conv\) has no shortcut around it/,
    );
  });
});

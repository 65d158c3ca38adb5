/** Parameters of a random ResNet v1 in the zoo's naming: He-initialised, BatchNorm statistics measured by a forward pass. */
import type { Graph, Tensor } from "../../onnx/graph.ts";
import { floats, ints } from "../../onnx/graph.ts";
import { writeOnnx } from "../../onnx/write.ts";
import { nativeSession } from "../../pack/native.ts";
import type { Random } from "../../pack/random.ts";
import { syntheticPixels } from "../../pack/synthetic.ts";

/** The use of an initialiser, which decides its distribution. */
export type Role = "weight" | "bias" | "gamma" | "beta" | "mean" | "variance";

/** Draws weights as He et al. 2015 (arXiv 1502.01852): zero mean, variance 2 / fan-in. Gamma and beta resemble trained ones. */
export function randomTensor(random: Random, role: Role, dims: readonly number[]): Tensor {
  const count = dims.reduce((product, dim) => product * dim, 1);
  const fanIn = count / (dims[0] ?? 1);
  const deviation = Math.sqrt(2 / fanIn);
  const draw: Record<Role, () => number> = {
    weight: () => deviation * random.normal(),
    bias: () => 0.1 * random.normal(),
    gamma: () => random.between(0.4, 1.2),
    beta: () => 0.25 * random.normal(),
    mean: () => 0,
    variance: () => 1,
  };
  return floats(dims, Float32Array.from({ length: count }, draw[role]));
}

/**
 * Sets each BatchNormalization's running mean and variance to those of its input over a few synthetic pictures, so
 * that activations neither vanish nor explode. Replaces the graph's initialisers in place.
 */
export async function measureBatchNorm(
  graph: Graph,
  initializers: Map<string, Tensor>,
  size: number,
): Promise<void> {
  const batch = 4;
  const probes: { mean: string; variance: string; nodeInputs: readonly string[]; channels: number }[] = [];
  const nodes = graph.nodes.flatMap((node) => {
    if (node.op !== "BatchNormalization") return [node];
    const [x = "", gamma = "", beta = ""] = node.inputs;
    const channels = initializers.get(gamma)!.dims[0]!;
    const [mean, variance, output] = [`${node.name}.mean`, `${node.name}.var`, node.outputs[0]!];
    probes.push({ mean, variance, nodeInputs: node.inputs, channels });
    const reduce = new Map([["axes", ints(0, 2, 3)]]);
    const make = (op: string, inputs: string[], out: string, attributes: typeof reduce = new Map()) => ({
      name: out,
      op,
      domain: "",
      inputs,
      outputs: [out],
      attributes,
    });
    const at = (suffix: string) => `${node.name}.${suffix}`;
    const perChannel = new Map([["axes", ints(0, 2, 3)]]);
    return [
      make("ReduceMean", [x], mean, reduce),
      make("Sub", [x, mean], at("centred")),
      make("Mul", [at("centred"), at("centred")], at("square")),
      make("ReduceMean", [at("square")], variance, reduce),
      make("Sqrt", [variance], at("deviation")),
      make("Div", [at("centred"), at("deviation")], at("normal")),
      make("Unsqueeze", [gamma], at("gamma"), new Map([["axes", ints(0, 2, 3)]])),
      make("Unsqueeze", [beta], at("beta"), perChannel),
      make("Mul", [at("normal"), at("gamma")], at("scaled")),
      make("Add", [at("scaled"), at("beta")], output),
    ];
  });
  const outputs = probes.flatMap(({ mean, variance, channels }) =>
    [mean, variance].map((name) => ({ name, type: "float32" as const, dims: [1, channels, 1, 1] })),
  );
  const session = await nativeSession(writeOnnx({ ...graph, nodes, outputs }, { irVersion: 4 }), 1);
  const data = new Float32Array(batch * 3 * size * size);
  for (let image = 0; image < batch; image++) {
    const pixels = syntheticPixels(size, image);
    for (let i = 0; i < size * size; i++) {
      for (let c = 0; c < 3; c++)
        data[(image * 3 + c) * size * size + i] = (pixels[i * 3 + c]! / 255 - 0.45) / 0.226;
    }
  }
  const results = await session.run(data, [batch, 3, size, size]);
  await session.release();
  for (const { mean, variance, nodeInputs, channels } of probes) {
    initializers.set(nodeInputs[3]!, floats([channels], results.get(mean)!.data));
    initializers.set(nodeInputs[4]!, floats([channels], results.get(variance)!.data));
  }
}

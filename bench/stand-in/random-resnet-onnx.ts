/** Parameters of a random ResNet v1 in the zoo's naming: He-initialised, BatchNorm statistics measured by a forward pass. */
import { float, floats, type Graph, int, type Tensor } from "../../cli/onnx/graph.ts";
import { writeOnnx } from "../../cli/onnx/write.ts";
import { nativeSession } from "../../cli/pack/native.ts";
import type { Random } from "../../cli/pack/random.ts";
import { syntheticPixels } from "../../cli/pack/synthetic.ts";

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

const batch = 4;

/**
 * Sets each BatchNormalization's running mean and variance to those of its input over a few synthetic pictures, so
 * that activations neither vanish nor explode. Replaces the graph's initialisers in place.
 */
export async function measureBatchNorm(
  graph: Graph,
  initializers: Map<string, Tensor>,
  size: number,
): Promise<void> {
  const norms = graph.nodes.filter(({ op }) => op === "BatchNormalization");
  // In training mode, ONNX's operator uses the statistics of the batch and, with momentum 0, returns them.
  const training = [int(1), float(0), float(1e-5)];
  const attributes = new Map(["training_mode", "momentum", "epsilon"].map((name, i) => [name, training[i]!]));
  const nodes = graph.nodes.map((node) => {
    if (node.op !== "BatchNormalization") return node;
    return { ...node, outputs: [...node.outputs, ...node.inputs.slice(3).map(measuredName)], attributes };
  });
  const outputs = norms.flatMap(({ inputs }) =>
    inputs.slice(3).map((name) => ({
      name: measuredName(name),
      type: "float32" as const,
      dims: initializers.get(name)!.dims,
    })),
  );
  const model = writeOnnx({ ...graph, opset: 15, nodes, outputs }, { irVersion: 8 });
  const session = await nativeSession(model, 1);
  const results = await session.run(syntheticBatch(size), [batch, 3, size, size]);
  await session.release();
  for (const name of norms.flatMap(({ inputs }) => inputs.slice(3))) {
    const { data } = results.get(measuredName(name))!;
    initializers.set(name, floats([data.length], data));
  }
}

const measuredName = (initializer: string) => `${initializer}.measured`;

/** Pixels of a few synthetic pictures, normalised. @returns [batch, 3, size, size] */
function syntheticBatch(size: number): Float32Array {
  const data = new Float32Array(batch * 3 * size * size);
  for (let image = 0; image < batch; image++) {
    const pixels = syntheticPixels(size, image);
    for (const [i, value] of pixels.entries()) {
      const [pixel, channel] = [Math.floor(i / 3), i % 3];
      data[(image * 3 + channel) * size * size + pixel] = (value / 255 - 0.45) / 0.226;
    }
  }
  return data;
}

/** BatchNorm statistics for random weights, so that activations neither vanish nor explode. */
import { float, floats, type Graph, int, type Tensor } from "../../cli/onnx/graph.ts";
import { writeOnnx } from "../../cli/onnx/write.ts";
import { nativeSession } from "../../cli/pack/native.ts";
import { syntheticPixels } from "../../cli/pack/synthetic.ts";

const batch = 4;

/** Sets each BatchNormalization's running mean and variance to those of its input over a few synthetic pictures. */
export async function measureBatchNorm(graph: Graph, size: number): Promise<Graph> {
  // In training mode, ONNX's operator uses the statistics of the batch and, with momentum 0, returns them.
  const attributes = new Map([
    ["training_mode", int(1)],
    ["momentum", float(0)],
    ["epsilon", float(1e-5)],
  ]);
  const statistics: string[] = [];
  const nodes = graph.nodes.map((node) => {
    if (node.op !== "BatchNormalization") return node;
    const own = node.inputs.slice(3);
    statistics.push(...own);
    return { ...node, outputs: [...node.outputs, ...own.map(measuredName)], attributes };
  });
  const outputs = statistics.map((name) => ({
    name: measuredName(name),
    type: "float32" as const,
    dims: graph.initializers.get(name)!.dims,
  }));
  const model = writeOnnx({ ...graph, opset: 15, nodes, outputs }, { irVersion: 8 });
  const session = await nativeSession(model, 1);
  const results = await session.run(syntheticBatch(size), [batch, 3, size, size]);
  await session.release();
  const measured = statistics.map((name): [string, Tensor] => {
    const { data } = results.get(measuredName(name))!;
    return [name, floats([data.length], data)];
  });
  return { ...graph, initializers: new Map([...graph.initializers, ...measured]) };
}

const measuredName = (initializer: string) => `${initializer}.measured`;

/** Returns the normalised pixels of a few synthetic pictures, [batch, 3, size, size]. */
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

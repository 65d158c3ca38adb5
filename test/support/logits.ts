/** Runs models in tests: a whole file natively, and shards in the Worker's runtime. */

import { nodeRuntime } from "../../cli/pack/evaluate.ts";
import { nativeSession } from "../../cli/pack/native.ts";
import { Random } from "../../cli/pack/random.ts";
import type { ShardModel } from "../../cli/pack/shard.ts";
import type { Manifest } from "../../src/model/manifest.ts";
import { ShardedSession } from "../../src/model/sharded-session.ts";

/** Returns normal noise of shape [3, size, size], which has the range of normalised pixels. */
export function noiseTensor(size: number, seed: number): Float32Array {
  const random = new Random(seed);
  return Float32Array.from({ length: 3 * size * size }, () => Math.max(-2.1, Math.min(2.6, random.normal())));
}

/** Runs a model natively on one thread and returns its first output. */
export async function nativeLogits(
  model: Uint8Array,
  tensor: Float32Array,
  size: number,
): Promise<Float32Array> {
  const session = await nativeSession(model, 1);
  try {
    const [output] = (await session.run(tensor, [1, 3, size, size])).values();
    return output!.data;
  } finally {
    await session.release();
  }
}

/** Runs shards with ShardedSession in onnxruntime-web and returns logits and features. */
export async function webOutputs(
  shards: readonly ShardModel[],
  facts: WebFacts,
  tensors: readonly Float32Array[],
) {
  const manifest = {
    input: { name: facts.input, shape: [1, 3, facts.size, facts.size] },
    outputs: { logits: "logits", features: "features" },
    classes: facts.classes,
    feature_size: facts.features,
    shards: shards.map(({ bytes, inputs, outputs }, i) => ({
      file: String(i),
      bytes: bytes.length,
      inputs,
      outputs,
    })),
  } as unknown as Manifest;
  const session = await ShardedSession.load(manifest, {
    runtime: await nodeRuntime(),
    readShard: async ({ file }) => Uint8Array.from(shards[Number(file)]!.bytes),
  });
  try {
    const results = [];
    for (const tensor of tensors) {
      const { logits, features } = await session.run(tensor);
      results.push({ logits: Float32Array.from(logits), features: Float32Array.from(features) });
    }
    return results;
  } finally {
    await session.release();
  }
}

export interface WebFacts {
  input: string;
  size: number;
  classes: number;
  features: number;
}

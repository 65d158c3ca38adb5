/** The two sides of a comparison: the source model in onnxruntime-node, and a pack in the Worker's own session. */
import type { Manifest } from "../../src/model/manifest.ts";
import { createRuntime, type Runtime } from "../../src/model/runtime.ts";
import { ShardedSession } from "../../src/model/sharded-session.ts";
import type { Graph } from "../onnx/graph.ts";
import { writeOnnx } from "../onnx/write.ts";
import { CommandError } from "../terminal/fail.ts";
import { nativeSession } from "./native.ts";
import { sourceInput } from "./normalisation.ts";
import type { ResNet } from "./resnet.ts";
import { compileModule } from "./wasm.ts";

/** Computes raw logits from a float32 tensor [3, size, size], normalised as for a pack. */
export interface Classifier {
  logits(tensor: Float32Array): Promise<Float32Array>;
  release(): Promise<void>;
}

/** A source model: its graph, every node as in the file, and the network that was read from it. */
export interface Source {
  graph: Graph;
  net: ResNet;
}

/**
 * The float32 model with its own nodes, up to the raw logits.
 * @throws CommandError when ONNX Runtime does not load it.
 */
export async function sourceClassifier({ graph, net }: Source, size: number): Promise<Classifier> {
  const outputs = [{ name: net.logits, type: "float32" as const, dims: ["N", "classes"] }];
  const session = await nativeSession(writeOnnx({ ...graph, outputs }, { irVersion: 8 })).catch(
    (cause: unknown) => {
      const reason = cause instanceof Error ? cause.message : String(cause);
      const message = `ONNX Runtime cannot load the model: ${reason}; check the file or export it again`;
      throw new CommandError(message, { cause });
    },
  );
  return {
    async logits(tensor) {
      const input = sourceInput(tensor, net.input);
      const { data } = (await session.run(input, [1, 3, size, size])).get(net.logits)!;
      // As in the network: softmax over [0, x] is the sigmoid of a single logit.
      return data.length === 1 ? Float32Array.of(0, data[0]!) : data;
    },
    release: () => session.release(),
  };
}

/**
 * A pack.
 * @param files Each shard's bytes by file name.
 */
export async function packClassifier(
  manifest: Manifest,
  files: ReadonlyMap<string, Uint8Array>,
): Promise<Classifier> {
  const session = await loadSession(manifest, (file) => {
    const bytes = files.get(file);
    if (bytes === undefined)
      throw new CommandError(`the pack has no file ${file}; expected every shard of its manifest`);
    return Promise.resolve(bytes);
  });
  return {
    logits: async (tensor) => (await session.run(tensor)).logits,
    release: () => session.release(),
  };
}

/** Loads a pack as the Worker does. `read` returns a file of the pack. */
export async function loadSession(
  manifest: Manifest,
  read: (file: string) => Promise<Uint8Array>,
): Promise<ShardedSession> {
  return ShardedSession.load(manifest, {
    runtime: await nodeRuntime(),
    // Copied, because the session may free the buffer.
    readShard: async ({ file }) => Uint8Array.from(await read(file)),
  });
}

/** The Worker's ONNX Runtime Web, in Node. */
export async function nodeRuntime(): Promise<Runtime> {
  return createRuntime(await compileModule("onnxruntime-web/ort-wasm-simd-threaded.wasm"));
}

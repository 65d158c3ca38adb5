/** The two sides of a comparison: the source file in onnxruntime-node, and a pack in the Worker's own session. */
import type { Manifest } from "../../src/model/manifest.ts";
import { createRuntime, type Runtime } from "../../src/model/runtime.ts";
import { ShardedSession } from "../../src/model/sharded-session.ts";
import { CommandError } from "../terminal/fail.ts";
import { nativeSession } from "./native.ts";
import { compileModule } from "./wasm.ts";

/** Computes raw logits from a float32 tensor [3, size, size]. */
export interface Classifier {
  logits(tensor: Float32Array): Promise<Float32Array>;
  release(): Promise<void>;
}

/**
 * The float32 model, as in its file.
 * @throws CommandError when ONNX Runtime does not load it.
 */
export async function sourceClassifier(model: Uint8Array, size: number): Promise<Classifier> {
  const session = await nativeSession(model).catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const message = `ONNX Runtime cannot load the model: ${reason}; check the file or export it again`;
    throw new CommandError(message, { cause });
  });
  return {
    async logits(tensor) {
      const [output] = (await session.run(tensor, [1, 3, size, size])).values();
      return output!.data;
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

/** What is compared: the source file in onnxruntime-node, and a pack in onnxruntime-web, by the code that serves. */
import type { Manifest } from "../../src/model/manifest.ts";
import { createRuntime, type Runtime } from "../../src/model/runtime.ts";
import { ShardedSession } from "../../src/model/sharded-session.ts";
import { PackError } from "./errors.ts";
import { nativeSession } from "./native.ts";
import { compileModule } from "./wasm.ts";

export interface Classifier {
  /** @param tensor float32 [3, size, size] */
  logits(tensor: Float32Array): Promise<Float32Array>;
  release(): Promise<void>;
}

/** The float32 model, as the file has it. */
export async function sourceClassifier(model: Uint8Array, size: number): Promise<Classifier> {
  const session = await nativeSession(model).catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new PackError(`ONNX Runtime does not load the model: ${reason}`, { cause });
  });
  return {
    async logits(tensor) {
      const [output] = (await session.run(tensor, [1, 3, size, size])).values();
      return output!.data;
    },
    release: () => session.release(),
  };
}

/** @param files Each shard's bytes by file name. */
export async function packClassifier(
  manifest: Manifest,
  files: ReadonlyMap<string, Uint8Array>,
): Promise<Classifier> {
  const session = await ShardedSession.load(manifest, {
    runtime: await nodeRuntime(),
    readShard: async ({ file }) => {
      const bytes = files.get(file);
      if (bytes === undefined) throw new PackError(`The pack has no file ${file}.`);
      // A copy: the loader may give the buffer away as soon as the session is made, and the file is still to be written.
      return Uint8Array.from(bytes);
    },
  });
  return {
    logits: async (tensor) => (await session.run(tensor)).logits,
    release: () => session.release(),
  };
}

/** ONNX Runtime Web in Node, with the WebAssembly that the Worker is deployed with. One for the whole process. */
export async function nodeRuntime(): Promise<Runtime> {
  return createRuntime(await compileModule("onnxruntime-web/ort-wasm-simd-threaded.wasm"));
}

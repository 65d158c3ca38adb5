/** The process that measureHeap starts: receives one pack, runs it, and answers with the WASM memory of each engine. */
import { type EngineName, UnsupportedGraphError } from "../../src/model/engine.ts";
import { loadSession, nodeEngine } from "./evaluate.ts";
import type { HeapAnswer } from "./heap.ts";
import type { PackFiles } from "./write-pack.ts";

/** The second run may need more than the first; later ones do not. */
const runs = 2;

process.once("message", (pack: PackFiles) => {
  void measure(pack)
    .catch((error: unknown) => ({ error: reasonOf(error) }))
    .then((answer: HeapAnswer) => process.send?.(answer));
});

/** The cause is ONNX Runtime's error, and the error itself is for clients of the Worker. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : reasonOf(error.cause);
}

async function measure(pack: PackFiles): Promise<HeapAnswer> {
  const onnxruntime = await heapIn("onnxruntime", pack);
  const simd = await heapIn("simd", pack).catch((error: unknown) => {
    if (error instanceof UnsupportedGraphError) return null;
    throw error;
  });
  return { heap: { onnxruntime, simd } };
}

async function heapIn(name: EngineName, { manifest, files }: PackFiles): Promise<number> {
  const engine = await nodeEngine(name);
  const session = await loadSession(manifest, async (file) => files.get(file)!, engine);
  const input = new Float32Array(manifest.input.shape.reduce((product, dim) => product * dim, 1));
  for (let run = 0; run < runs; run++) await session.run(input);
  return engine.heapBytes();
}

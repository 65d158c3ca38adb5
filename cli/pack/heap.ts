/** Measures the WASM heap that ONNX Runtime needs for a pack. */
import { fork } from "node:child_process";
import { join } from "node:path";
import { engineBudget } from "../../src/limits.ts";
import { CommandError } from "../terminal/fail.ts";
import type { HeapAnswer } from "./heap-process.ts";
import type { PackFiles } from "./write-pack.ts";

const MiB = 2 ** 20;

/** The model's share of the isolate's 128 MB. */
export const maxHeapBytes = engineBudget.onnxruntime.modelBytes;

/**
 * Loads a pack as the Worker does and runs it, in a fresh process: ONNX Runtime has one WASM memory per process, and it
 * never shrinks. The result depends on the sizes of tensors, never on their values.
 * @returns Bytes of WASM memory after the runs.
 * @throws CommandError when the pack does not load or run.
 */
export async function measureHeap({ manifest, files }: PackFiles): Promise<number> {
  const child = fork(join(import.meta.dirname, "heap-process.ts"), {
    // The pack is a Map of bytes, which JSON cannot carry.
    serialization: "advanced",
    execArgv: ["--no-warnings"],
  });
  try {
    const answer = await new Promise<HeapAnswer>((resolve, reject) => {
      child.once("message", (message) => resolve(message as HeapAnswer));
      child.once("exit", (code) => resolve({ error: `its process exited with code ${code}` }));
      child.once("error", reject);
      child.send({ manifest, files });
    });
    if ("heapBytes" in answer) return answer.heapBytes;
    throw new CommandError(`The pack does not load in ONNX Runtime Web: ${answer.error}.`);
  } finally {
    child.kill();
  }
}

/** Formats bytes of heap. */
export const mebibytes = (bytes: number) => `${(bytes / MiB).toFixed(1)} MiB`;

/** Measures the WASM memory that each engine needs for a pack. */
import { fork } from "node:child_process";
import { join } from "node:path";
import { engineBudget } from "../../src/limits.ts";
import { type EngineName, engineNames } from "../../src/model/engine.ts";
import { CommandError } from "../terminal/fail.ts";
import type { PackFiles } from "./write-pack.ts";

const MiB = 2 ** 20;

/** Bytes of WASM memory that a pack takes in each engine. Null if the engine does not run it. */
export type Heap = Readonly<Record<EngineName, number | null>>;

/** What the process of heap-process.ts answers. */
export type HeapAnswer = { readonly heap: Heap } | { readonly error: string };

/**
 * Loads a pack as the Worker does and runs it, in a fresh process: ONNX Runtime has one WASM memory per process, and it
 * never shrinks. The result depends on the sizes of tensors, never on their values.
 * @returns Bytes of WASM memory after the runs.
 * @throws CommandError when the pack does not load or run.
 */
export async function measureHeap({ manifest, files }: PackFiles): Promise<Heap> {
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
    if ("heap" in answer) return answer.heap;
    throw new CommandError(`The pack does not load in ONNX Runtime Web: ${answer.error}.`);
  } finally {
    child.kill();
  }
}

/** Returns the engines in which a pack fits the Worker. */
export function enginesFor(heap: Heap): EngineName[] {
  return engineNames.filter(
    (name) => (heap[name] ?? Number.POSITIVE_INFINITY) <= engineBudget[name].modelBytes,
  );
}

/** Describes what a pack takes in each engine, for people. */
export function heapTexts(heap: Heap): string[] {
  return engineNames.map((name) => {
    const bytes = heap[name];
    if (bytes === null) return `${name}: does not run it`;
    return `${name}: ${mebibytes(bytes)} of ${mebibytes(engineBudget[name].modelBytes)}`;
  });
}

/** Formats bytes of heap. */
export const mebibytes = (bytes: number) => `${(bytes / MiB).toFixed(1)} MiB`;

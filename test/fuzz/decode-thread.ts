/** Worker thread: decodes each file that it receives. */
import { setTimeout } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { parentPort } from "node:worker_threads";
import { attemptEveryWay, fuzzPreprocessing } from "./attempt.ts";
import type { Memory } from "./run.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

parentPort?.on("message", async (message: Uint8Array | "memory") => {
  const answer = message === "memory" ? await memory() : await attemptEveryWay(message, fuzzPreprocessing);
  parentPort?.postMessage(answer);
});
parentPort?.postMessage("ready");

/** Measures the memory of this thread after garbage collection. */
async function memory(): Promise<Memory> {
  collect();
  // V8 frees the memory of what it has collected, such as streams of the inflater, on the next turns of the event loop.
  await setTimeout(50);
  collect();
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return { heapBytes: heapUsed + Math.max(external, arrayBuffers), wasmBytes: 0 };
}

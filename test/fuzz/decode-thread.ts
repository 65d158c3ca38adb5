/** Worker thread: decodes each file that it receives. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { parentPort } from "node:worker_threads";
import { attemptEveryWay, fuzzPreprocessing } from "./attempt.ts";
import type { Memory } from "./run.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

parentPort?.on("message", async (message: Uint8Array | "memory") => {
  const answer = message === "memory" ? memory() : await attemptEveryWay(message, fuzzPreprocessing);
  parentPort?.postMessage(answer);
});
parentPort?.postMessage("ready");

/** Measures the memory of this thread after a garbage collection. */
function memory(): Memory {
  collect();
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return { heapBytes: heapUsed + Math.max(external, arrayBuffers), wasmBytes: 0 };
}

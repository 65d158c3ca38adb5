/** Decodes hostile files in Node, in a thread that is stopped when a file takes too long. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { Progress } from "../../cli/terminal/progress.ts";
import type { Attempt } from "./attempt.ts";
import { type FuzzRun, fuzz, type Memory, type Tally } from "./run.ts";

const startMs = 60_000;

/** Tries every file. After one that hangs or ends the thread, a new thread continues with the next. */
export async function fuzzInNode(run: FuzzRun, progress: Progress): Promise<Tally> {
  let thread: Worker | undefined;
  /** Sends a file to the thread, or asks for its memory, and returns the answer. */
  const ask = async (message: Uint8Array | "memory"): Promise<unknown> => {
    if (!thread) {
      thread = new Worker(new URL("./decode-thread.ts", import.meta.url));
      await once(thread, "message", { signal: AbortSignal.timeout(startMs) });
    }
    thread.postMessage(message);
    const [answer] = await once(thread, "message", { signal: AbortSignal.timeout(run.hangMs) });
    return answer;
  };
  const target = {
    name: "hostile files, in Node",
    warmUpFiles: 200,
    memory: () => ask("memory") as Promise<Memory>,
    async attempt(bytes: Uint8Array) {
      try {
        return (await ask(bytes)) as readonly Attempt[];
      } catch (error) {
        await thread?.terminate();
        thread = undefined;
        const { name, message } = error as Error;
        const fault =
          name === "AbortError" ? `no answer after ${run.hangMs} ms` : `the thread died: ${message}`;
        return [{ way: "any", outcome: "failed", fault, ms: run.hangMs }];
      }
    },
  };
  return fuzz(run, target, progress).finally(() => thread?.terminate());
}

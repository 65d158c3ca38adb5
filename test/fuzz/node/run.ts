/** Runs hostile files through the decode path in Node, in a thread that is killed when a file takes too long. */
import { Worker } from "node:worker_threads";
import type { Progress } from "../../../cli/terminal/progress.ts";
import { seededChoices } from "../choices.ts";
import { hostileFile } from "../generate.ts";
import { largeSeeds, smallSeeds } from "../seeds.ts";
import { addAttempt, newTally, type Tally } from "../tally.ts";
import type { DecodeJob, DecodeNews } from "./decode-thread.ts";

/** Files 0 to `count` of a seed. */
export interface NodeRun {
  readonly count: number;
  readonly seed: number;
  /** A file hangs when all decoders together take longer than this. */
  readonly hangMs: number;
}

/** Runs every file. After one that hangs or ends the thread, a new thread continues with the next. */
export async function fuzzInNode({ count, seed, hangMs }: NodeRun, progress: Progress): Promise<Tally> {
  const tally = newTally();
  const onFile = (done: number) => progress.update("hostile files, in Node", done, count);
  for (let next = 0; next < count; ) {
    const hung = await runThread({ seed, from: next, to: count }, hangMs, tally, onFile);
    if (hung === undefined) break;
    const { index, fault } = hung;
    const seeds = [...(await smallSeeds()), ...(await largeSeeds())];
    const { bytes, from, mutations } = hostileFile(seededChoices(seed, index), seeds);
    tally.count++;
    tally.faults.push({ index, way: "any", from, mutations, fault, ms: hangMs, bytes: bytes.length });
    next = index + 1;
  }
  return tally;
}

/** Resolves with the file at which the thread hung or died, or with undefined once it is done. */
function runThread(
  job: DecodeJob,
  hangMs: number,
  tally: Tally,
  onFile: (done: number) => void,
): Promise<{ readonly index: number; readonly fault: string } | undefined> {
  return new Promise((resolve) => {
    const thread = new Worker(new URL("./decode-thread.ts", import.meta.url), { workerData: job });
    let index = job.from;
    const end = (fault?: string) => {
      clearTimeout(timer);
      void thread.terminate();
      resolve(fault === undefined ? undefined : { index, fault });
    };
    // The thread first draws the seeds, which takes seconds.
    let timer = setTimeout(() => end("the thread did not start"), 60_000 + hangMs);
    thread.on("message", (news: DecodeNews) => {
      if (news.kind === "memory") {
        tally.memory.first ??= news.memory;
        tally.memory.last = news.memory;
        return;
      }
      index = news.index;
      if (news.kind === "started") {
        clearTimeout(timer);
        timer = setTimeout(() => end(`not done after ${hangMs} ms`), hangMs);
        return;
      }
      tally.count++;
      const { from, mutations, bytes } = news;
      for (const attempt of news.attempts) addAttempt(tally, attempt, { index, from, mutations, bytes });
      onFile(index + 1);
    });
    thread.on("error", (error: Error) => end(`the thread died: ${error.message}`));
    thread.on("exit", () => end());
  });
}

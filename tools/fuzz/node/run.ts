/** Hostile files through the decode path in Node, in a thread that is killed when a file takes too long. */
import { Worker } from "node:worker_threads";
import type { Progress } from "../../terminal/progress.ts";
import { seededChoices } from "../choices.ts";
import { hostileFile } from "../generate.ts";
import { largeSeeds, smallSeeds } from "../seeds.ts";
import { addAttempt, newTally, type Tally } from "../tally.ts";
import type { DecodeJob, DecodeNews } from "./decode-thread.ts";

export interface NodeRun {
  readonly count: number;
  readonly seed: number;
  /** Time of one file, all ways together, after which it counts as a hang. */
  readonly hangMs: number;
}

const stage = "hostile files, in Node";

export async function fuzzInNode({ count, seed, hangMs }: NodeRun, progress: Progress): Promise<Tally> {
  const tally = newTally();
  for (let next = 0; next < count; ) {
    const hung = await runThread({ seed, from: next, to: count }, hangMs, tally, (done) =>
      progress.update(stage, done, count),
    );
    if (hung === undefined) break;
    const seeds = [...(await smallSeeds()), ...(await largeSeeds())];
    const { bytes, from, mutations } = hostileFile(seededChoices(seed, hung.index), seeds);
    const { index, fault } = hung;
    tally.count++;
    tally.faults.push({ index, way: "any", from, mutations, fault, ms: hangMs, bytes: bytes.length });
    next = index + 1;
  }
  return tally;
}

interface Hung {
  readonly index: number;
  readonly fault: string;
}

/** Resolves with the file at which the thread hung or died, if there was one. */
function runThread(
  job: DecodeJob,
  hangMs: number,
  tally: Tally,
  onFile: (done: number) => void,
): Promise<Hung | undefined> {
  return new Promise((resolve) => {
    const thread = new Worker(new URL("./decode-thread.ts", import.meta.url), { workerData: job });
    let index = job.from;
    const end = (hung: Hung | undefined) => {
      clearTimeout(timer);
      void thread.terminate();
      resolve(hung);
    };
    // The seeds are drawn first, which takes seconds.
    let timer = setTimeout(() => end({ index, fault: "the thread did not start" }), 60_000 + hangMs);
    thread.on("message", (news: DecodeNews) => {
      if (news.kind === "memory") {
        tally.memory.first ??= news.memory;
        tally.memory.last = news.memory;
        return;
      }
      index = news.index;
      if (news.kind === "started") {
        clearTimeout(timer);
        timer = setTimeout(() => end({ index, fault: `not done after ${hangMs} ms` }), hangMs);
        return;
      }
      tally.count++;
      for (const attempt of news.attempts) {
        const { way, ms, fault } = attempt;
        const { from, mutations, bytes } = news;
        const finding = { index, way, from, mutations, ms, bytes };
        addAttempt(tally, attempt, fault === undefined ? finding : { ...finding, fault });
      }
      onFile(index + 1);
    });
    thread.on("error", (error: Error) => end({ index, fault: `the thread died: ${error.message}` }));
    thread.on("exit", () => end(undefined));
  });
}

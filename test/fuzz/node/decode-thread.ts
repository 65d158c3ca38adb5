/** Worker thread: decodes hostile files one after the other. Its owner kills it when one takes too long. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { parentPort, workerData } from "node:worker_threads";
import { type Attempt, attemptEveryWay } from "../attempt.ts";
import { seededChoices } from "../choices.ts";
import { hostileFile } from "../generate.ts";
import { fuzzPreprocessing } from "../preprocessing.ts";
import { largeSeeds, smallSeeds } from "../seeds.ts";
import type { Memory } from "../tally.ts";

export interface DecodeJob {
  readonly seed: number;
  /** Files [from, to) of the run. */
  readonly from: number;
  readonly to: number;
}

export type DecodeNews =
  | { readonly kind: "started"; readonly index: number }
  | {
      readonly kind: "decoded";
      readonly index: number;
      readonly from: string;
      readonly mutations: readonly string[];
      readonly bytes: number;
      readonly attempts: readonly Attempt[];
    }
  | { readonly kind: "memory"; readonly memory: Memory };

/** Files before memory is measured first: code is compiled and buffers have their size by then. */
const warmUpFiles = 200;

const { seed, from, to } = workerData as DecodeJob;
const post = (news: DecodeNews) => parentPort?.postMessage(news);
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
const seeds = [...(await smallSeeds()), ...(await largeSeeds())];

function postMemory(): void {
  collect();
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  post({
    kind: "memory",
    memory: { heapBytes: heapUsed + Math.max(external, arrayBuffers), wasmBytes: 0 },
  });
}

for (let index = from; index < to; index++) {
  if (index === from + warmUpFiles) postMemory();
  post({ kind: "started", index });
  const { bytes, from: origin, mutations } = hostileFile(seededChoices(seed, index), seeds);
  const attempts = attemptEveryWay(bytes, fuzzPreprocessing);
  post({ kind: "decoded", index, from: origin, mutations, bytes: bytes.length, attempts });
}
postMemory();

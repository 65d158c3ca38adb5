/** Makes hostile files and tries each of them, in Node or in workerd. */
import type { Progress } from "../../cli/terminal/progress.ts";
import { seededChoices } from "./choices.ts";
import { hostileFile } from "./generate.ts";
import { allSeeds } from "./seeds.ts";
import { addAttempt, type Memory, newTally, type Tally, type Trial } from "./tally.ts";

/** Which files to make: 0 to `count` of a seed. */
export interface FuzzRun {
  readonly count: number;
  readonly seed: number;
  /** Time after which a file counts as a hang. */
  readonly hangMs: number;
}

/** What takes the files. */
export interface Target {
  readonly name: string;
  /** Files before the memory is measured first: code is compiled and buffers have their size by then. */
  readonly warmUpFiles: number;
  attempt(bytes: Uint8Array, index: number): Promise<readonly Trial[]>;
  memory(): Promise<Memory>;
}

/** Tries every file. */
export async function fuzz({ count, seed }: FuzzRun, target: Target, progress: Progress): Promise<Tally> {
  const tally = newTally();
  const seeds = await allSeeds();
  for (let index = 0; index < count; index++) {
    if (index === target.warmUpFiles) tally.memory.first = await target.memory();
    const { bytes, from, mutations } = hostileFile(seededChoices(seed, index), seeds);
    const recipe = { index, from, mutations, bytes: bytes.length };
    for (const trial of await target.attempt(bytes, index)) addAttempt(tally, trial, recipe);
    tally.count++;
    progress.update(target.name, index + 1, count);
  }
  tally.memory.last = await target.memory();
  tally.memory.first ??= tally.memory.last;
  return tally;
}

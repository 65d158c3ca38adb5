/** Where a hostile file's decisions come from: a seed, for runs that repeat; or a list, which fast-check can shrink. */
import { Random } from "../pack/random.ts";

export interface Choices {
  /** An integer in [0, count); count is at least 1. */
  below(count: number): number;
}

/** File `index` of the run with that seed: the same on every machine, whatever the files before it were. */
export function seededChoices(seed: number, index: number): Choices {
  return new Random(Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b));
}

/** Each number decides once; then 0 does, so that a shorter list and smaller numbers make a simpler file. */
export function listedChoices(numbers: readonly number[]): Choices {
  let at = 0;
  return { below: (count) => (numbers[at++] ?? 0) % count };
}

export function pick<T>(choices: Choices, values: readonly T[]): T {
  return values[choices.below(values.length)] as T;
}

/** An integer in [low, high]. */
export function between(choices: Choices, low: number, high: number): number {
  return low + choices.below(high - low + 1);
}

export function randomBytes(choices: Choices, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => choices.below(256));
}

/** Decisions that make a hostile file: from a seed, to repeat a run, or from a list, which fast-check can shrink. */
import { Random } from "../../cli/pack/random.ts";

/** A source of decisions. */
export interface Choices {
  /** An integer in [0, count); count is at least 1. */
  below(count: number): number;
}

/** Makes the decisions for file `index` of a run: the same on every machine, independent of the other files. */
export function seededChoices(seed: number, index: number): Choices {
  return new Random(Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b));
}

/** Decides by each number once, and then by 0: a shorter list and smaller numbers make a simpler file. */
export function listedChoices(numbers: readonly number[]): Choices {
  let at = 0;
  return { below: (count) => (numbers[at++] ?? 0) % count };
}

/** Chooses one of the values. */
export function pick<T>(choices: Choices, values: readonly T[]): T {
  return values[choices.below(values.length)] as T;
}

/** Chooses bytes. */
export function randomBytes(choices: Choices, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => choices.below(256));
}

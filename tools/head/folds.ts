/** Stratified folds: each class is spread evenly over them. The same for the same seed. Pure. */
import { Random } from "../pack/random.ts";

/**
 * @param classes class index of each image
 * @returns fold of each image, 0 to count - 1
 */
export function stratifiedFolds(classes: readonly number[], count: number, seed: number): number[] {
  const random = new Random(seed);
  const folds = new Array<number>(classes.length).fill(0);
  let next = 0;
  for (const wanted of [...new Set(classes)].sort((a, b) => a - b)) {
    const members = [...classes.keys()].filter((i) => classes[i] === wanted);
    shuffle(members, random);
    // Counted on from class to class, so that the remainders do not all fall into the first folds.
    for (const member of members) folds[member] = next++ % count;
  }
  return folds;
}

/** Images of the smallest class. */
export function smallestClass(classes: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const c of classes) counts.set(c, (counts.get(c) ?? 0) + 1);
  return Math.min(...counts.values());
}

/** Fisher and Yates. */
function shuffle(values: number[], random: Random): void {
  for (let i = values.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [values[i], values[j]] = [values[j]!, values[i]!];
  }
}

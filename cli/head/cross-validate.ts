/** Cross-validation: scores every image with a head that was not trained on it. Reports progress; no other I/O. */
import type { HeadFile } from "../../src/head/head.ts";
import { l2Normalised } from "../../src/model/scores.ts";
import { Random } from "../pack/random.ts";
import { type Progress, tracked } from "../terminal/progress.ts";
import { logisticSolver } from "./logistic.ts";
import { logLoss, type Scored } from "./metrics.ts";
import { apply, prototypes } from "./prototype.ts";
import { plainView, rowsOf, type Sample } from "./rows.ts";

/** Penalty strengths to try, strongest first: each solution is a good start for the next. */
export const strengths: readonly number[] = [10, 3, 1, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001];

/**
 * Tolerance of the regressions that score held-out images. With 1e-6 they take more than twice as long, and their log-loss
 * differs by less than 0.001 nats.
 */
const heldOutTolerance = 1e-4;

/** Logits of held-out images. */
export interface HeldOut extends Scored {
  /** The chosen strength of the L2 penalty; undefined for methods without one. */
  readonly strength?: number;
}

/** Stop after this many strengths without a lower log-loss: weaker penalties take the solver longest. */
const patience = 2;

/**
 * Assigns images to folds so that each class is spread evenly over them.
 * @param classes class index of each image
 * @returns fold of each image, 0 to count - 1; the same for the same seed
 */
export function stratifiedFolds(classes: readonly number[], count: number, seed: number): number[] {
  const random = new Random(seed);
  const folds = new Array<number>(classes.length).fill(0);
  let next = 0;
  for (const wanted of [...new Set(classes)].sort((a, b) => a - b)) {
    const members = [...classes.keys()].filter((i) => classes[i] === wanted);
    // Fisher-Yates shuffle.
    for (let i = members.length - 1; i > 0; i--) {
      const j = random.below(i + 1);
      [members[i], members[j]] = [members[j]!, members[i]!];
    }
    // The count continues from class to class, so that the first folds do not get all remainders.
    for (const member of members) folds[member] = next++ % count;
  }
  return folds;
}

/**
 * Cross-validates a method. The logits of the regression are those at the penalty strength with the lowest mean
 * log-loss.
 */
export function heldOut(
  method: HeadFile["method"],
  samples: readonly Sample[],
  classCount: number,
  foldOf: readonly number[],
  progress: Progress,
): HeldOut {
  if (method === "prototype") return crossValidatePrototypes(samples, classCount, foldOf);
  const classes = samples.map(({ classIndex }) => classIndex);
  const folds = splits(samples, foldOf).map(({ trained, held }) => ({
    solve: logisticSolver(rowsOf(trained), classCount),
    held,
  }));
  let best: { strength: number; logits: Float64Array[]; loss: number } | undefined;
  let worse = 0;
  for (const strength of tracked(progress, "cross-validation", strengths)) {
    const logits = new Array<Float64Array>(samples.length);
    for (const { solve, held } of folds) {
      const fit = solve(strength, heldOutTolerance);
      for (const i of held) logits[i] = apply(fit, plainView(samples[i]!));
    }
    const loss = logLoss({ logits, classes }, 1);
    worse = best && loss >= best.loss ? worse + 1 : 0;
    if (worse === 0) best = { strength, logits, loss };
    if (worse >= patience) break;
  }
  return { strength: best!.strength, logits: best!.logits, classes };
}

/** Cross-validates class means: the logits are cosines. */
export function crossValidatePrototypes(
  samples: readonly Sample[],
  classCount: number,
  foldOf: readonly number[],
): HeldOut {
  const logits = new Array<Float64Array>(samples.length);
  for (const { trained, held } of splits(samples, foldOf)) {
    const fit = prototypes(trained, classCount);
    for (const i of held) logits[i] = apply(fit, l2Normalised(plainView(samples[i]!)));
  }
  return { logits, classes: samples.map(({ classIndex }) => classIndex) };
}

/** For each fold, in order: the samples to train on, and the indices of those held out. */
function splits(samples: readonly Sample[], foldOf: readonly number[]) {
  return [...new Set(foldOf)]
    .sort((a, b) => a - b)
    .map((fold) => ({
      trained: samples.filter((_, i) => foldOf[i] !== fold),
      held: [...samples.keys()].filter((i) => foldOf[i] === fold),
    }));
}

/** Cross-validation: every image scored by a head that was not trained on it. Pure. */
import { l2Normalised } from "../../src/model/scores.ts";
import { LogisticProblem } from "./logistic.ts";
import { logLoss, type Scored } from "./metrics.ts";
import { apply, prototypes } from "./prototype.ts";
import { plainView, rowsOf, type Sample } from "./rows.ts";

/** Strengths that are tried, strongest first: each solution is a good start for the next. */
export const strengths: readonly number[] = [10, 3, 1, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001];

export interface HeldOut extends Scored {
  /** Of the L2 penalty; undefined where the method has none. */
  readonly strength?: number;
}

interface Fold {
  readonly trained: readonly Sample[];
  /** Indices of the samples that were held out. */
  readonly held: readonly number[];
}

/** Strengths without a better log-loss after which weaker ones are not tried: they take the solver longest. */
const patience = 2;

/**
 * Held-out logits at the strength whose mean held-out log-loss is lowest.
 * @param onStrength after each strength that was tried
 */
export function crossValidateLogistic(
  samples: readonly Sample[],
  classCount: number,
  foldOf: readonly number[],
  onStrength: (done: number, total: number) => void = () => {},
): HeldOut {
  const classes = samples.map(({ classIndex }) => classIndex);
  const folds = splits(samples, foldOf).map(({ trained, held }) => ({
    problem: new LogisticProblem(rowsOf(trained), classCount),
    held,
  }));
  let best: { strength: number; logits: Float64Array[]; loss: number } | undefined;
  let worse = 0;
  for (const [done, strength] of strengths.entries()) {
    const logits = new Array<Float64Array>(samples.length);
    for (const { problem, held } of folds) {
      const fit = problem.solve(strength);
      for (const i of held) logits[i] = apply(fit, plainView(samples[i]!));
    }
    const loss = logLoss({ logits, classes }, 1);
    onStrength(done + 1, strengths.length);
    worse = best && loss >= best.loss ? worse + 1 : 0;
    if (worse === 0) best = { strength, logits, loss };
    if (worse >= patience) break;
  }
  if (!best) throw new Error("no strength was tried");
  onStrength(strengths.length, strengths.length);
  return { strength: best.strength, logits: best.logits, classes };
}

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

function splits(samples: readonly Sample[], foldOf: readonly number[]): Fold[] {
  return [...new Set(foldOf)]
    .sort((a, b) => a - b)
    .map((fold) => ({
      trained: samples.filter((_, i) => foldOf[i] !== fold),
      held: [...samples.keys()].filter((i) => foldOf[i] === fold),
    }));
}

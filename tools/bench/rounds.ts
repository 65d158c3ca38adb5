/**
 * Subjects one after the other, round after round, every other round backwards, so that a machine that grows warm or
 * busy favours nobody.
 */
import type { Failure } from "./results/results.ts";
import type { Measured, Sample } from "./results/samples.ts";

export interface Subject {
  readonly name: string;
  /** In a fresh process. */
  readonly measure: () => Promise<readonly Measured[]>;
}

export interface Rounds {
  readonly samples: readonly Sample[];
  readonly failures: readonly Failure[];
}

export function roundOrder<T>(subjects: readonly T[], round: number): T[] {
  return round % 2 === 0 ? [...subjects] : [...subjects].reverse();
}

/** A subject that fails is told in the results and left out of later rounds; the others go on. */
export async function measureRounds(
  subjects: readonly Subject[],
  rounds: number,
  onStep: (step: string, done: number, total: number) => void = () => {},
): Promise<Rounds> {
  const samples: Sample[] = [];
  const failures: Failure[] = [];
  let done = 0;
  for (let round = 0; round < rounds; round++) {
    for (const { name, measure } of roundOrder(subjects, round)) {
      onStep(name, done++, rounds * subjects.length);
      if (failures.some(({ what }) => what === name)) continue;
      try {
        const measured = await measure();
        for (const one of measured) if (one.values.length > 0) samples.push({ subject: name, round, ...one });
      } catch (error) {
        failures.push({ what: name, reason: reasonOf(error) });
      }
    }
  }
  return { samples, failures };
}

/** The result, or undefined and a failure told. */
export async function attempt<T>(
  what: string,
  failures: Failure[],
  work: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    failures.push({ what, reason: reasonOf(error) });
    return undefined;
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { stderr } = error as { stderr?: unknown };
  // Of a child process, what it said last; the command line says nothing.
  const lines = typeof stderr === "string" ? stderr.trim().split("\n") : [];
  return lines.findLast((line) => /error/i.test(line)) ?? error.message;
}

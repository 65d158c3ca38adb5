/**
 * Measures all subjects in turn, round after round. Every other round reverses the order, so that a machine that grows
 * warm or busy favours no subject.
 */
import type { Measurements } from "./metrics.ts";
import type { Failure, Sample } from "./results.ts";

/** One of the things that are compared. */
export interface Subject {
  readonly name: string;
  /** Measures it in a fresh process. */
  readonly measure: () => Promise<Measurements>;
}

/** Returns the order of the subjects in a round. */
export function roundOrder<T>(subjects: readonly T[], round: number): T[] {
  return round % 2 === 0 ? [...subjects] : subjects.toReversed();
}

/** Measures all rounds. A subject that fails is reported and left out of later rounds. */
export async function measureRounds(
  subjects: readonly Subject[],
  rounds: number,
  onStep: (step: string, done: number, total: number) => void = () => {},
): Promise<{ samples: Sample[]; failures: Failure[] }> {
  const samples: Sample[] = [];
  const failures: Failure[] = [];
  let done = 0;
  for (let round = 0; round < rounds; round++) {
    for (const { name, measure } of roundOrder(subjects, round)) {
      onStep(name, done++, rounds * subjects.length);
      if (failures.some(({ what }) => what === name)) continue;
      const values = await attempt(name, failures, measure);
      if (values) samples.push({ subject: name, round, values });
    }
  }
  return { samples, failures };
}

/** Returns the result of `work`. If it fails, adds to `failures` and returns undefined. */
export async function attempt<T>(what: string, failures: Failure[], work: () => Promise<T>) {
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
  // The message of a failed child process holds only its command line. Its stderr has the reason.
  const lines = typeof stderr === "string" ? stderr.trim().split("\n") : [];
  return lines.findLast((line) => /error/i.test(line)) ?? error.message;
}

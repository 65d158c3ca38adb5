/** What was measured, raw: every number of the report follows from these. Pure. */
import { median } from "../../measure/statistics.ts";

export type Unit = "ms" | "bytes" | "count";

/** The values of one metric of one subject, from one process. */
export interface Measured {
  readonly metric: string;
  readonly unit: Unit;
  readonly values: readonly number[];
}

export interface Sample extends Measured {
  readonly subject: string;
  readonly round: number;
}

export interface Summary {
  readonly unit: Unit;
  /** Median of the rounds' medians. */
  readonly median: number;
  /** Least and largest of the rounds' medians. */
  readonly min: number;
  readonly max: number;
  readonly rounds: number;
}

/** Undefined when nothing was measured. */
export function summarise(samples: readonly Sample[], subject: string, metric: string): Summary | undefined {
  const found = samples.filter((s) => s.subject === subject && s.metric === metric && s.values.length > 0);
  const [first] = found;
  if (!first) return undefined;
  const medians = found.map(({ values }) => median(values));
  return {
    unit: first.unit,
    median: median(medians),
    min: Math.min(...medians),
    max: Math.max(...medians),
    rounds: found.length,
  };
}

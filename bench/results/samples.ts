/** The raw measurements, from which the report computes every number. */
import { median } from "../measure/statistics.ts";

/** Units of measured values. */
export type Unit = "ms" | "bytes" | "count";

/** The values of one metric of one subject, from one process. */
export interface Measured {
  readonly metric: string;
  readonly unit: Unit;
  readonly values: readonly number[];
}

/** The values of one metric. */
export function measured(metric: string, unit: Unit, values: readonly number[]): Measured {
  return { metric, unit, values };
}

/** Values with their subject and round. */
export interface Sample extends Measured {
  readonly subject: string;
  readonly round: number;
}

/** One metric of one subject over all rounds. */
export interface Summary {
  readonly unit: Unit;
  /** Median of the rounds' medians. */
  readonly median: number;
  /** The smallest and the largest of the rounds' medians. */
  readonly min: number;
  readonly max: number;
  readonly rounds: number;
}

/** Summarises a metric of a subject. Undefined when nothing was measured. */
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

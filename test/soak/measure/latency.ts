/** Percentiles of latencies, in all, by kind and by time. Pure. */
import { quantile } from "../../../bench/measure/statistics.ts";
import { kindNames } from "../traffic/kinds.ts";
import type { Sample } from "./ledger.ts";

/** Milliseconds. */
export interface Percentiles {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

export function percentiles(ms: readonly number[]): Percentiles {
  const at = (fraction: number) => quantile(ms, fraction);
  return { count: ms.length, p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
}

/** Of each kind that has answers, refusals left out. */
export function byKind(samples: readonly Sample[]): Record<string, Percentiles> {
  const groups = kindNames.map(
    (kind) => [kind, samples.filter((sample) => sample.kind === kind && sample.status !== 503)] as const,
  );
  return Object.fromEntries(
    groups
      .filter(([, found]) => found.length > 0)
      .map(([kind, found]) => [kind, percentiles(found.map(({ ms }) => ms))]),
  );
}

/** What came in one stretch of time. */
export interface Stretch {
  /** Where it begins. */
  readonly atSeconds: number;
  readonly goodPerSecond: number;
  readonly refusedPerSecond: number;
  /** Of answers that are not refusals; NaN, null in JSON, without any. */
  readonly p50: number;
  readonly p99: number;
}

/** Stretches of `seconds`, the last one left out unless it is whole. */
export function stretches(samples: readonly Sample[], seconds: number, wholeMs: number): Stretch[] {
  const count = Math.floor(wholeMs / 1000 / seconds);
  const found: Sample[][] = Array.from({ length: count }, () => []);
  for (const sample of samples) found[Math.floor(sample.atMs / 1000 / seconds)]?.push(sample);
  return found.map((own, i) => {
    const ms = own.filter(({ status }) => status !== 503).map((sample) => sample.ms);
    return {
      atSeconds: i * seconds,
      goodPerSecond: own.filter(({ status }) => status === 200).length / seconds,
      refusedPerSecond: own.filter(({ status }) => status === 503).length / seconds,
      p50: quantile(ms, 0.5),
      p99: quantile(ms, 0.99),
    };
  });
}

/** The measurements of a run, from which all reports, charts and documents are made. */
import path from "node:path";
import { projectFolder } from "../cli/store/project.ts";
import type { RunKind } from "./common/run-files.ts";
import type { Measurements, Metric } from "./metrics.ts";

/** Where the results are stored. */
export const benchRuns = {
  folder: path.join(projectFolder, "bench-results"),
  format: 3,
  command: "npm run bench",
} as const satisfies RunKind;

/** What one subject measured in one round. */
export interface Sample {
  readonly subject: string;
  readonly round: number;
  readonly values: Measurements;
}

/** Something that could not be measured. */
export interface Failure {
  readonly what: string;
  readonly reason: string;
}

/** What grows in the measurements that draw curves. */
export type GrowthName = "input-size" | "image-size" | "concurrency";

/** A curve: how values change as something grows. */
export interface Series {
  readonly name: string;
  /** Unit of the values, as the axis shows it. */
  readonly unit: "ms" | "MiB" | "images/s";
  readonly points: readonly { readonly x: number; readonly values: readonly number[] }[];
}

/** Summarises a metric of a subject over all rounds. Undefined when it was not measured. */
export function summarise(samples: readonly Sample[], subject: string, metric: Metric) {
  const medians = samples
    .filter((sample) => sample.subject === subject)
    .flatMap(({ values: { [metric]: values = [] } }) => (values.length > 0 ? [median(values)] : []));
  if (medians.length === 0) return undefined;
  return {
    /** Median of the rounds' medians. */
    median: median(medians),
    /** The smallest and the largest of the rounds' medians. */
    min: Math.min(...medians),
    max: Math.max(...medians),
    rounds: medians.length,
  };
}

/** Returns the median of a metric. NaN when it was not measured. */
export function medianOf(samples: readonly Sample[], subject: string, metric: Metric): number {
  return summarise(samples, subject, metric)?.median ?? Number.NaN;
}

/** Returns the median at each x. */
export function medians({ points }: Series): { x: number; y: number }[] {
  return points.map(({ x, values }) => ({ x, y: median(values) }));
}

/**
 * Returns the middle value, or the mean of the two middle ones. NaN for no values. One outlier of ten times the rest would
 * distort a mean.
 */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Interpolates between the two nearest ranks. NaN for no values. @param fraction 0 (smallest) to 1 (largest) */
export function quantile(values: readonly number[], fraction: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const rank = Math.min(1, Math.max(0, fraction)) * (sorted.length - 1);
  const [low = Number.NaN, high = Number.NaN] = [sorted[Math.floor(rank)], sorted[Math.ceil(rank)]];
  return low + (high - low) * (rank - Math.floor(rank));
}

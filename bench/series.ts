/** Curves of the report: how values change as something grows. */
import { median } from "./measure/statistics.ts";

/** One curve. */
export interface Series {
  readonly name: string;
  /** Unit of the values, as the axis shows it. */
  readonly unit: "ms" | "MiB" | "images/s";
  readonly points: readonly { readonly x: number; readonly values: readonly number[] }[];
}

/** Collects points into curves, which keep the order in which they are first named. */
export class SeriesCollector {
  readonly #series = new Map<string, Series & { readonly points: Series["points"][number][] }>();

  /** Adds a point to the curve of that name. */
  add(name: string, unit: Series["unit"], x: number, values: readonly number[]): void {
    const series = this.#series.get(name) ?? { name, unit, points: [] };
    series.points.push({ x, values });
    this.#series.set(name, series);
  }

  /** Returns all curves. */
  all(): Series[] {
    return [...this.#series.values()];
  }
}

/** The median at each x. */
export function medians({ points }: Series): { x: number; y: number }[] {
  return points.map(({ x, values }) => ({ x, y: median(values) }));
}

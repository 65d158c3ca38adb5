/** A curve: one subject's values as something grows. */
import { median } from "../../measure/statistics.ts";

export interface Series {
  readonly name: string;
  /** Of the values, as it stands on the axis. */
  readonly unit: "ms" | "MiB" | "images/s";
  readonly points: readonly { readonly x: number; readonly values: readonly number[] }[];
}

export function medians({ points }: Series): { x: number; y: number }[] {
  return points.map(({ x, values }) => ({ x, y: median(values) }));
}

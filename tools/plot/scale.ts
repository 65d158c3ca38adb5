/** Axes: from values to places, and which values are marked. Pure. */

export interface Scale {
  /** The place of a value, in user units of the drawing. */
  readonly at: (value: number) => number;
  readonly ticks: readonly number[];
}

/** log2: marked at powers of two. */
export type ScaleKind = "linear" | "log" | "log2";

/** Room that marks of an axis want, roughly: no more than this many. */
const maxTicks = 7;

/**
 * From the least to the largest value, a little beyond, so that an axis ends on a mark. A linear one starts at 0.
 * @param range places of the axis's start and end
 * @throws RangeError when a logarithmic axis is to hold a value that is not over 0
 */
export function createScale(
  kind: ScaleKind,
  values: readonly number[],
  [start, end]: readonly [number, number],
): Scale {
  if (kind === "linear") {
    const ticks = linearTicks(Math.max(...values, 0));
    const last = ticks.at(-1)!;
    return { ticks, at: (value) => start + ((end - start) * value) / last };
  }
  if (!values.every((value) => value > 0))
    throw new RangeError("a logarithmic axis takes values over 0 only");
  const bounds = [Math.min(...values), Math.max(...values)] as const;
  const ticks = kind === "log" ? logTicks(...bounds) : binaryTicks(...bounds);
  const [low, high] = [Math.log(ticks[0]!), Math.log(ticks.at(-1)!)];
  return { ticks, at: (value) => start + ((end - start) * (Math.log(value) - low)) / (high - low) };
}

/** From 0 in steps of 1, 2 or 5 times a power of ten, the last one at least `max`. */
export function linearTicks(max: number): number[] {
  if (!(max > 0)) return [0, 1];
  const power = 10 ** Math.floor(Math.log10(max / maxTicks));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => max / candidate <= maxTicks);
  const count = Math.ceil(max / step! - 1e-9);
  return Array.from({ length: count + 1 }, (_, i) => tidy(i * step!));
}

/** 1, 2 and 5 times powers of ten, or powers alone where those are too many; from at most `min` to at least `max`. */
export function logTicks(min: number, max: number): number[] {
  for (const factors of [[1, 2, 5], [1, 3], [1]]) {
    const all: number[] = [];
    for (let power = Math.floor(Math.log10(min)) - 1; power <= Math.ceil(Math.log10(max)); power++) {
      all.push(...factors.map((factor) => tidy(factor * 10 ** power)));
    }
    const first = all.findLastIndex((tick) => tick <= min);
    const last = all.findIndex((tick) => tick >= max && tick > all[first]!);
    const ticks = all.slice(first, last + 1);
    if (ticks.length <= maxTicks + 2 || factors.length === 1) return ticks;
  }
  return [];
}

/** Powers of two, from at most `min` to at least `max`. */
export function binaryTicks(min: number, max: number): number[] {
  const first = Math.floor(Math.log2(min));
  const last = Math.max(first + 1, Math.ceil(Math.log2(max)));
  return Array.from({ length: last - first + 1 }, (_, i) => 2 ** (first + i));
}

/** Without the last digits' noise of binary fractions. */
function tidy(value: number): number {
  return Number(value.toPrecision(12));
}

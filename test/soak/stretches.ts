/** Latency, throughput and memory by stretches of time. */
import type { MemorySample } from "../../bench/common/memory-watch.ts";
import { quantile } from "../../bench/common/statistics.ts";
import { kindNames } from "./kinds.ts";
import type { Sample } from "./ledger.ts";

/** What the isolate holds at one moment, in bytes. */
export type IsolateMemory = Pick<MemorySample, "usedBytes" | "bufferBytes" | "ortBytes">;

/** Milliseconds. */
export type Percentiles = ReturnType<typeof percentiles>;

/** Computes percentiles, with linear interpolation between ranks. */
export function percentiles(ms: readonly number[]) {
  const at = (fraction: number) => quantile(ms, fraction);
  return { count: ms.length, p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
}

/** Computes the percentiles of each kind, without 503s. */
export function byKind(samples: readonly Sample[]): Record<string, Percentiles> {
  const groups = kindNames.map(
    (kind) => [kind, msOf(samples.filter((sample) => sample.kind === kind))] as const,
  );
  return Object.fromEntries(groups.flatMap(([kind, ms]) => (ms.length > 0 ? [[kind, percentiles(ms)]] : [])));
}

/** Answers in one stretch of time. */
export type Stretch = ReturnType<typeof stretches>[number];

/** Splits answers into stretches of `seconds`. Leaves out the last one unless it is whole. */
export function stretches(samples: readonly Sample[], seconds: number, wholeMs: number) {
  const groups = Map.groupBy(samples, ({ atMs }) => Math.floor(atMs / 1000 / seconds));
  return Array.from({ length: Math.floor(wholeMs / 1000 / seconds) }, (_, i) => {
    const own = groups.get(i) ?? [];
    const perSecond = (wanted: number) => own.filter(({ status }) => status === wanted).length / seconds;
    return {
      atSeconds: i * seconds,
      goodPerSecond: perSecond(200),
      refusedPerSecond: perSecond(503),
      // Milliseconds of answers other than 503. NaN, which JSON stores as null, when there is none.
      p50: quantile(msOf(own), 0.5),
      p99: quantile(msOf(own), 0.99),
    };
  });
}

/** Memory in one stretch of time, in bytes. */
export type MemoryStretch = ReturnType<typeof memoryStretches>[number];

/** Splits memory samples into stretches of `seconds`. The rest at the end belongs to the last whole one. */
export function memoryStretches(samples: readonly MemorySample[], seconds: number, wholeMs: number) {
  const last = Math.max(0, Math.floor(wholeMs / 1000 / seconds) - 1);
  const groups = Map.groupBy(samples, ({ atMs }) => Math.min(last, Math.floor(atMs / 1000 / seconds)));
  return [...groups].map(([index, group]) => {
    const sums = group.map(isolateBytes);
    const peakBytes = Math.max(...sums);
    const { usedBytes, bufferBytes, ortBytes } = group[sums.indexOf(peakBytes)]!;
    const resident = group.flatMap(({ processBytes }) => processBytes ?? []);
    return {
      atSeconds: index * seconds,
      samples: group.length,
      /** Smallest and largest sum of ORT's heap, JS objects and ArrayBuffers. */
      floorBytes: Math.min(...sums),
      peakBytes,
      /** The sample with the largest sum. */
      peak: { usedBytes, bufferBytes, ortBytes },
      /** Largest resident size of the workerd process. */
      processBytes: resident.length > 0 ? Math.max(...resident) : undefined,
    };
  });
}

/** Returns the memory of the isolate: ORT's heap, JS objects and ArrayBuffers. */
export function isolateBytes({ ortBytes, usedBytes, bufferBytes }: IsolateMemory): number {
  return ortBytes + usedBytes + bufferBytes;
}

function msOf(samples: readonly Sample[]): number[] {
  return samples.filter(({ status }) => status !== 503).map(({ ms }) => ms);
}

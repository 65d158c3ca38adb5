/** The results of a run. Reports, charts and documents are made from them alone. */
import type { Machine } from "../measure/machine.ts";
import type { Picture } from "../pictures/photos.ts";
import type { Series } from "../series.ts";
import type { Sample } from "./samples.ts";

/** Raise this when a change makes older files unreadable. */
export const resultsFormat = 1;

/** Eight large photos at once. */
export interface BurstReport {
  readonly photos: readonly { readonly name: string; readonly bytes: number }[];
  readonly statuses: readonly number[];
  readonly seconds: number;
  readonly ortHeapBytes: number;
  /** The largest usedSize + backingStorageSize that the inspector reported. */
  readonly peakJsBytes: number;
  /** VmHWM of the whole workerd process, with code, unused heap and garbage. 0 where it is unknown. */
  readonly peakProcessBytes: number;
}

/** Something that could not be measured. */
export interface Failure {
  readonly what: string;
  readonly reason: string;
}

/** What is measured as something grows. */
export const growthNames = ["input-size", "image-size", "concurrency"] as const;
/** One of growthNames. */
export type GrowthName = (typeof growthNames)[number];

/** Everything that one run measured. */
export interface Results {
  readonly format: typeof resultsFormat;
  readonly mode: "full" | "quick";
  /** ISO 8601. */
  readonly startedAt: string;
  readonly seconds: number;
  readonly machine: Machine;
  readonly pictures: readonly Picture[];
  readonly pack: { readonly name: string; readonly bytes: number; readonly shards: number };
  readonly samples: readonly Sample[];
  readonly burst: BurstReport | null;
  /** Bytes of ORT's WASM heap after each hot swap. */
  readonly swapHeapBytes: readonly number[];
  /** Logits of the shards against those of the graph in one piece. */
  readonly exact: { readonly compared: number; readonly different: number } | null;
  /** Mean difference of each decoder's 12-megapixel tensor from jpeg-js's, in levels of 0 to 255. */
  readonly decodeAgreement: Readonly<Record<string, number>>;
  readonly growth: Readonly<Partial<Record<GrowthName, readonly Series[]>>>;
  /** What could not be measured, and why. */
  readonly failures: readonly Failure[];
}

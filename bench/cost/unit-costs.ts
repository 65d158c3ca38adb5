/** The cost of one image, from the results of a run, or from the document that was made from them. */
import type { PictureName } from "../plan.ts";
import type { Results } from "../results/results.ts";
import { summarise } from "../results/samples.ts";
import { metrics } from "../subjects.ts";
import type { UnitCosts } from "./estimate.ts";

/** Returns undefined when the run lacks a value: CPU is measured on Linux only. */
export function unitCosts(results: Results, picture: PictureName = "500x375"): UnitCosts | undefined {
  const ours = (metric: string) => summarise(results.samples, "ours", metric)?.median;
  const missCpuMs = ours(metrics.warmCpu(picture));
  const hitCpuMs = ours(metrics.hitCpu);
  const coldCpuMs = ours(metrics.coldCpu);
  const r2ReadsPerCold = ours(metrics.r2Reads);
  if (missCpuMs === undefined || hitCpuMs === undefined || coldCpuMs === undefined) return undefined;
  if (r2ReadsPerCold === undefined) return undefined;
  return { missCpuMs, hitCpuMs, coldCpuMs, r2ReadsPerCold, packBytes: results.pack.bytes };
}

const marker = "measured unit costs: ";

/** Returns a Markdown comment that holds the costs. */
export function unitCostsComment(costs: UnitCosts): string {
  return `<!-- ${marker}${JSON.stringify(costs)} -->`;
}

/** Reads that comment. Returns undefined when the document has none. */
export function unitCostsFromDocument(markdown: string): UnitCosts | undefined {
  const found = new RegExp(`<!-- ${marker}(\\{.*\\}) -->`).exec(markdown)?.[1];
  return found === undefined ? undefined : (JSON.parse(found) as UnitCosts);
}

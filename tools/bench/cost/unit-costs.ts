/** What one image costs, from the results of a run, or from the document that was written from one. Pure. */
import type { PictureName } from "../plan.ts";
import type { Results } from "../results/results.ts";
import { summarise } from "../results/samples.ts";
import { metrics } from "../subjects.ts";
import type { UnitCosts } from "./estimate.ts";

/** Undefined when the run lacks one of them: CPU is told on Linux only. */
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

/** A comment of Markdown, which no reader sees, that carries them. */
export function unitCostsComment(costs: UnitCosts): string {
  return `<!-- ${marker}${JSON.stringify(costs)} -->`;
}

/** Undefined when the document carries none. */
export function unitCostsFromDocument(markdown: string): UnitCosts | undefined {
  const found = new RegExp(`<!-- ${marker}(\\{.*\\}) -->`).exec(markdown)?.[1];
  return found === undefined ? undefined : (JSON.parse(found) as UnitCosts);
}

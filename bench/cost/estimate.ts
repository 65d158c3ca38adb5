/** Estimates the cost of a month from measured CPU times and Cloudflare's prices. */
import {
  cpuMsPrice,
  type Metered,
  r2ReadPrice,
  r2StoragePrice,
  requestPrice,
  subscriptionDollars,
} from "./prices.ts";

/** Days of a billed month. */
export const daysPerMonth = 30;

/** The traffic of a month. */
export interface Workload {
  readonly imagesPerDay: number;
  /** Share of warm requests that the cache answers. */
  readonly hitRate: number;
  /** Share of requests that meet an isolate which has not loaded the model. */
  readonly coldRate: number;
}

/** What one image was measured to cost. */
export interface UnitCosts {
  readonly missCpuMs: number;
  readonly hitCpuMs: number;
  /** Loading the model and answering. */
  readonly coldCpuMs: number;
  readonly r2ReadsPerCold: number;
  readonly packBytes: number;
}

/** One item of the bill. */
export interface CostLine {
  readonly what: string;
  readonly quantity: number;
  readonly included: number;
  readonly dollars: number;
}

/** The bill. */
export interface Estimate {
  readonly lines: readonly CostLine[];
  readonly dollars: number;
  readonly dollarsPerMillionImages: number;
}

/** Returns the CPU time of the average request in milliseconds. */
export function averageCpuMs({ hitRate, coldRate }: Workload, costs: UnitCosts): number {
  const warm = hitRate * costs.hitCpuMs + (1 - hitRate) * costs.missCpuMs;
  return coldRate * costs.coldCpuMs + (1 - coldRate) * warm;
}

/** Estimates the bill of a month. */
export function estimateMonth(workload: Workload, costs: UnitCosts): Estimate {
  const images = workload.imagesPerDay * daysPerMonth;
  const gigabytes = costs.packBytes / 1e9;
  const storageDollars = Math.max(0, gigabytes - r2StoragePrice.includedGb) * r2StoragePrice.dollarsPerGb;
  const lines: CostLine[] = [
    { what: "Workers Paid", quantity: 1, included: 0, dollars: subscriptionDollars },
    metered("requests", images, requestPrice),
    metered("CPU ms", images * averageCpuMs(workload, costs), cpuMsPrice),
    metered("R2 reads (class B)", images * workload.coldRate * costs.r2ReadsPerCold, r2ReadPrice),
    {
      what: "R2 storage, GB",
      quantity: gigabytes,
      included: r2StoragePrice.includedGb,
      dollars: storageDollars,
    },
  ];
  const dollars = lines.reduce((sum, line) => sum + line.dollars, 0);
  return { lines, dollars, dollarsPerMillionImages: images === 0 ? Number.NaN : dollars / (images / 1e6) };
}

function metered(what: string, quantity: number, { included, dollarsPerMillion }: Metered): CostLine {
  const dollars = (Math.max(0, quantity - included) / 1e6) * dollarsPerMillion;
  return { what, quantity, included, dollars };
}

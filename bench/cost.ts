/** Estimates the cost of a month in US dollars, from measured CPU times and Cloudflare's public prices. */
import { dollarsFor, type Price, prices, type UnitCosts } from "../cli/cost/prices.ts";
import { moneyText, numberText, shareText } from "../cli/plot/format.ts";
import { type Table, table } from "./common/report.ts";
import type { PictureName } from "./plan.ts";
import { medianOf } from "./results.ts";
import type { Results } from "./run.ts";

/** Reads from R2 that a month includes. */
export const includedR2Reads = prices.r2Reads.included;
/** CPU milliseconds that one request may take on the free plan. */
export const freePlanCpuMs = 10;
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

/** A million images a day, all different, one in a hundred sent to a fresh isolate. */
export const defaultWorkload: Workload = { imagesPerDay: 1e6, hitRate: 0, coldRate: 0.01 };

/** Estimates the bill of a month. */
export function estimateMonth(workload: Workload, costs: UnitCosts) {
  const { imagesPerDay, hitRate, coldRate } = workload;
  const images = imagesPerDay * daysPerMonth;
  const warmCpuMs = hitRate * costs.hitCpuMs + (1 - hitRate) * costs.missCpuMs;
  const averageCpuMs = coldRate * costs.coldCpuMs + (1 - coldRate) * warmCpuMs;
  const line = (what: string, quantity: number, price: Price) => ({
    ...{ what, quantity, included: price.included, dollars: dollarsFor(quantity, price) },
  });
  const cpu = line("CPU ms", images * averageCpuMs, prices.cpuMs);
  const lines = [
    line("Workers Paid", 1, prices.subscription),
    line("requests", images, prices.requests),
    cpu,
    line("R2 reads (class B)", images * coldRate * costs.r2ReadsPerCold, prices.r2Reads),
    line("R2 storage, GB", costs.packBytes / 1e9, prices.r2StorageGb),
  ];
  const sum = lines.reduce((total, { dollars }) => total + dollars, 0);
  return {
    lines,
    dollars: sum,
    dollarsPerMillionImages: sum / (images / 1e6),
    /** CPU time of the average request, and its share of the bill from 0 to 1. */
    averageCpuMs,
    cpuShare: cpu.dollars / sum,
  };
}

/** Returns the cost of one image in a run. Undefined when it lacks a value: CPU is measured on Linux only. */
export function unitCosts(
  { samples, pack }: Results,
  picture: PictureName = "500x375",
  subject: "ours" | "ours-onnxruntime" = "ours",
): UnitCosts | undefined {
  const costs = {
    missCpuMs: medianOf(samples, subject, `cpu:${picture}`),
    hitCpuMs: medianOf(samples, subject, "cpu:hit"),
    /** Loading the model and answering. */
    coldCpuMs: medianOf(samples, subject, "cpu:cold"),
    r2ReadsPerCold: medianOf(samples, subject, "r2-reads"),
    packBytes: pack.bytes,
  };
  return Object.values(costs).some(Number.isNaN) ? undefined : costs;
}

/** Lists the bill of one workload. */
export function costTable(workload: Workload, costs: UnitCosts): Table {
  const { lines, dollars, dollarsPerMillionImages } = estimateMonth(workload, costs);
  const { imagesPerDay, hitRate, coldRate } = workload;
  return table(
    `A month of ${numberText(imagesPerDay)} images a day, ${shareText(hitRate)} cache hits, ${shareText(coldRate)} cold`,
    ["", "quantity", "included", "dollars"],
    [
      ...lines.map((line) => [line.what, line.quantity, line.included, moneyText(line.dollars)]),
      ["all", "", "", moneyText(dollars)],
      ["per million images", "", "", moneyText(dollarsPerMillionImages)],
    ],
    `CPU of one image, measured: ${numberText(costs.missCpuMs)} ms computed, ${numberText(costs.hitCpuMs)} ms from the cache, ${numberText(costs.coldCpuMs)} ms when the model must be loaded first, which reads ${numberText(costs.r2ReadsPerCold)} objects from R2.`,
  );
}

/** Lists the sums of several workloads and images. */
export function sensitivityTable(
  workloads: readonly Workload[],
  images: readonly { readonly name: string; readonly costs: UnitCosts }[],
): Table {
  return table(
    "Dollars a month",
    ["images a day", "cache hits", "cold", ...images.map(({ name }) => name)],
    workloads.map((workload) => [
      workload.imagesPerDay,
      shareText(workload.hitRate),
      shareText(workload.coldRate),
      ...images.map(({ costs }) => moneyText(estimateMonth(workload, costs).dollars)),
    ]),
  );
}

/** Writes docs/scaling.md from the results. */

import { numberText, shareText } from "../../cli/plot/format.ts";
import { costTable, sensitivityTable } from "../cost/cost-table.ts";
import {
  averageCpuMs,
  daysPerMonth,
  estimateMonth,
  type UnitCosts,
  type Workload,
} from "../cost/estimate.ts";
import { freePlanCpuMs, priceSources, pricesRead, r2ReadPrice } from "../cost/prices.ts";
import { unitCosts, unitCostsComment } from "../cost/unit-costs.ts";
import { tableMarkdown } from "../measure/markdown.ts";
import type { Results } from "../results/results.ts";
import { medians } from "../series.ts";
import { fillTemplate } from "./template.ts";

/** A million images a day, all different, one in a hundred sent to a fresh isolate. */
export const defaultWorkload: Workload = { imagesPerDay: 1e6, hitRate: 0, coldRate: 0.01 };

const workloads: readonly Workload[] = [
  { imagesPerDay: 10_000, hitRate: 0, coldRate: 0.1 },
  { imagesPerDay: 100_000, hitRate: 0, coldRate: 0.05 },
  defaultWorkload,
  { imagesPerDay: 1e6, hitRate: 0.5, coldRate: 0.01 },
  { imagesPerDay: 1e6, hitRate: 0.9, coldRate: 0.01 },
  { imagesPerDay: 1e7, hitRate: 0.5, coldRate: 0.001 },
];

/**
 * @param refreshSeconds how often an isolate asks the bucket for the live version
 * @returns the document as Markdown
 */
export function scalingDocument(results: Results, refreshSeconds: number): string {
  const [small, large] = [unitCosts(results), unitCosts(results, "12mp")];
  const factor = large && small ? numberText(large.missCpuMs / small.missCpuMs) : undefined;
  return fillTemplate("scaling", {
    date: results.startedAt.slice(0, 10),
    cost: small ? costText(small, large, refreshSeconds) : "CPU was not measured: that needs Linux.",
    isolate: isolateText(results),
    large: factor ? `: 12 megapixels cost ${factor} times the CPU of 500x375` : "",
  });
}

function costText(costs: UnitCosts, large: UnitCosts | undefined, refreshSeconds: number): string {
  const images = [
    { name: "500x375 JPEGs", costs },
    ...(large ? [{ name: "12 MP JPEGs", costs: large }] : []),
  ];
  const readsPerIsolate = (daysPerMonth * 24 * 60 * 60) / refreshSeconds;
  const average = averageCpuMs(defaultWorkload, costs);
  const { lines, dollars } = estimateMonth(defaultWorkload, costs);
  const cpuDollars = lines.find(({ what }) => what === "CPU ms")?.dollars ?? 0;
  const table = costTable(defaultWorkload, costs);
  return fillTemplate("cost", {
    comment: unitCostsComment(costs),
    pricesRead,
    sources: priceSources.map((url) => `<${url}>`).join(", "),
    title: table.title,
    table: tableMarkdown(table),
    sensitivity: tableMarkdown(sensitivityTable(workloads, images)),
    refreshSeconds,
    readsPerIsolate: numberText(readsPerIsolate),
    freeIsolates: numberText(r2ReadPrice.included / readsPerIsolate),
    cpuShare: shareText(cpuDollars / dollars),
    average: numberText(average),
    freePlanCpuMs,
    freePlan: average > freePlanCpuMs ? "it is not enough" : "it may be enough",
  }).trim();
}

function isolateText({ growth: { concurrency = [] } }: Results): string {
  const curves = concurrency.map((one) => ({ ...one, medians: medians(one) }));
  const throughput = curves.find(({ unit }) => unit === "images/s");
  if (!throughput) return "Not measured.";
  const best = Math.max(...throughput.medians.map(({ y }) => y));
  const table = tableMarkdown({
    title: "One isolate",
    head: ["requests at once", ...curves.map(({ name, unit }) => `${name}, ${unit}`)],
    rows: throughput.medians.map(({ x: count }) => [
      String(count),
      ...curves.map((curve) => numberText(curve.medians.find(({ x }) => x === count)?.y ?? Number.NaN)),
    ]),
    right: [0, ...curves.map((_, i) => i + 1)],
  });
  return `An isolate has one thread, and a forward pass takes all of it: at most ${numberText(best)} images a second here, however many are sent. Further requests wait, unread, in a bounded queue. A request that does not fit the queue gets 503 with Retry-After at once.

${table}

![Curves: time, throughput and memory by requests at once](plots/concurrency.svg)`;
}

/** docs/scaling.md from the results. Pure. */

import { listMarkdown, tableMarkdown } from "../../measure/markdown.ts";
import { numberText, shareText } from "../../plot/format.ts";
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
import type { Results } from "../results/results.ts";
import { medians } from "../series.ts";

/** A million images a day, none twice, one in a hundred meeting a fresh isolate. */
export const defaultWorkload: Workload = { imagesPerDay: 1e6, hitRate: 0, coldRate: 0.01 };

const workloads: readonly Workload[] = [
  { imagesPerDay: 10_000, hitRate: 0, coldRate: 0.1 },
  { imagesPerDay: 100_000, hitRate: 0, coldRate: 0.05 },
  defaultWorkload,
  { imagesPerDay: 1e6, hitRate: 0.5, coldRate: 0.01 },
  { imagesPerDay: 1e6, hitRate: 0.9, coldRate: 0.01 },
  { imagesPerDay: 1e7, hitRate: 0.5, coldRate: 0.001 },
];

/** @param refreshSeconds how often an isolate asks the bucket what is live */
export function scalingDocument(results: Results, refreshSeconds: number): string {
  const costs = unitCosts(results);
  const paragraphs = [
    "# Scaling",
    `Written by \`npm run bench -- --write-docs\` from the run of ${results.startedAt.slice(0, 10)} that [performance](performance.md) describes.`,
    "## What it costs",
    ...(costs ? costText(results, costs, refreshSeconds) : ["CPU was not measured: that needs Linux."]),
    "## One isolate",
    ...isolateText(results),
    "## Many isolates",
    "Cloudflare starts isolates as it sees fit, in every data centre that has requests. Nothing is shared between them but R2 and, within one data centre, the Cache API: there is nothing to scale by hand, and each isolate pays for its own cold start. What a fresh isolate's first caller waits for is the cold answer in [performance](performance.md).",
    listMarkdown([
      "**Cache hits** are the cheapest lever: the same bytes are never computed twice within a data centre. A `workers.dev` hostname has no Cache API; use a domain of your own.",
      `**Smaller images** matter less than one would think, since a large image is decoded at a fraction of its size${largeText(results)}.`,
      "**A smaller model input** is the other lever: the forward pass is most of a request, and its work grows with the square of the input's side.",
    ]),
  ];
  return `${paragraphs.join("\n\n")}\n`;
}

function largeText(results: Results): string {
  const [small, large] = [unitCosts(results)?.missCpuMs, unitCosts(results, "12mp")?.missCpuMs];
  if (small === undefined || large === undefined) return "";
  return `: 12 megapixels cost ${numberText(large / small)} times the CPU of 500x375`;
}

function costText(results: Results, costs: UnitCosts, refreshSeconds: number): string[] {
  const large = unitCosts(results, "12mp");
  const images = [
    { name: "500x375 JPEGs", costs },
    ...(large ? [{ name: "12 MP JPEGs", costs: large }] : []),
  ];
  const readsPerIsolate = (daysPerMonth * 24 * 60 * 60) / refreshSeconds;
  const average = averageCpuMs(defaultWorkload, costs);
  const estimate = estimateMonth(defaultWorkload, costs);
  const cpuDollars = estimate.lines.find(({ what }) => what === "CPU ms")?.dollars ?? 0;
  return [
    unitCostsComment(costs),
    `Prices of Workers Paid and R2 as read on ${pricesRead} (${priceSources.map((url) => `<${url}>`).join(", ")}); CPU as measured on the machine that [performance](performance.md) names, which is not Cloudflare's.`,
    `**${costTable(defaultWorkload, costs).title}**`,
    tableMarkdown(costTable(defaultWorkload, costs)),
    "Your own numbers:",
    "```sh\nnpm run bench -- --cost --images-per-day 50000 --hit-rate 0.4 --cold-rate 0.02\n```",
    "How the sum depends on what you can influence, dollars a month:",
    tableMarkdown(sensitivityTable(workloads, images)),
    `Beside these, each isolate asks R2 every ${refreshSeconds} s, while it has requests, whether a new version is live: at most ${numberText(readsPerIsolate)} reads a month, so that ${numberText(r2ReadPrice.included / readsPerIsolate)} isolates busy around the clock use up what is included.`,
    `CPU is ${shareText(cpuDollars / estimate.dollars)} of the sum: ${numberText(average)} ms for the average image. The free plan allows ${freePlanCpuMs} ms a request, so it ${average > freePlanCpuMs ? "does not do" : "may do"}.`,
  ];
}

function isolateText({ growth }: Results): string[] {
  const series = growth.concurrency;
  const throughput = series?.find(({ unit }) => unit === "images/s");
  if (!series || !throughput) return ["Not measured."];
  const best = Math.max(...medians(throughput).map(({ y }) => y));
  const rows = series.map((one) => [one, medians(one)] as const);
  const counts = medians(throughput).map(({ x }) => x);
  const table = tableMarkdown({
    title: "One isolate",
    head: ["requests at once", ...rows.map(([{ name, unit }]) => `${name}, ${unit}`)],
    rows: counts.map((count) => [
      String(count),
      ...rows.map(([, points]) => numberText(points.find(({ x }) => x === count)?.y ?? Number.NaN)),
    ]),
    right: [0, ...rows.map((_, i) => i + 1)],
  });
  return [
    `An isolate has one thread, and a forward pass takes all of it: at most ${numberText(best)} images a second here, however many are sent. What is more waits, unread, in a bounded queue; what does not fit the queue gets 503 with Retry-After at once.`,
    table,
    "![Curves: time, throughput and memory by requests at once](plots/concurrency.svg)",
  ];
}

/** Prints estimates as tables. */

import { moneyText, numberText, shareText } from "../../cli/plot/format.ts";
import type { Table } from "../measure/table.ts";
import { estimateMonth, type UnitCosts, type Workload } from "./estimate.ts";

/** Prints the bill of one workload. */
export function costTable(workload: Workload, costs: UnitCosts): Table {
  const { lines, dollars, dollarsPerMillionImages } = estimateMonth(workload, costs);
  const { imagesPerDay, hitRate, coldRate } = workload;
  return {
    title: `A month of ${numberText(imagesPerDay)} images a day, ${shareText(hitRate)} cache hits, ${shareText(coldRate)} cold`,
    head: ["", "quantity", "included", "dollars"],
    rows: [
      ...lines.map((line) => [
        line.what,
        numberText(line.quantity),
        numberText(line.included),
        moneyText(line.dollars),
      ]),
      ["all", "", "", moneyText(dollars)],
      ["of it, a million images", "", "", moneyText(dollarsPerMillionImages)],
    ],
    right: [1, 2, 3],
    note: `CPU of one image, measured: ${numberText(costs.missCpuMs)} ms computed, ${numberText(costs.hitCpuMs)} ms from the cache, ${numberText(costs.coldCpuMs)} ms when the model must be loaded first, which reads ${numberText(costs.r2ReadsPerCold)} objects from R2.`,
  };
}

/** Prints the sums of several workloads and images. */
export function sensitivityTable(
  workloads: readonly Workload[],
  images: readonly { readonly name: string; readonly costs: UnitCosts }[],
): Table {
  return {
    title: "Dollars a month",
    head: ["images a day", "cache hits", "cold", ...images.map(({ name }) => name)],
    rows: workloads.map((workload) => [
      numberText(workload.imagesPerDay),
      shareText(workload.hitRate),
      shareText(workload.coldRate),
      ...images.map(({ costs }) => moneyText(estimateMonth(workload, costs).dollars)),
    ]),
    right: [0, 1, 2, ...images.map((_, i) => i + 3)],
  };
}

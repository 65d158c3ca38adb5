/** The tables of `npm run bench -- --bucket`. */
import { bucketCost } from "../../cli/cost/bucket-cost.ts";
import { bucketPriceSources, priceSources, pricesRead } from "../../cli/cost/prices.ts";
import { moneyText, numberText, shareText } from "../../cli/plot/format.ts";
import { type Table, table } from "../common/report.ts";
import type { BucketResults } from "./measure.ts";
import { maxSimulated, type Outcome, type Parameters, simulateMany } from "./simulate.ts";

/** Compares the queue with HTTP, and the simulation with the queue. */
export function bucketTable({ http, queue, ratio, simulated, simulatedOverMeasured }: BucketResults): Table {
  return table(
    "Labelling a bucket on this machine, 500x375 JPEGs",
    ["", "pictures per second", "ratio"],
    [
      ["POST /v1/classify, four at once", http, 1],
      ["local queue, one consumer", queue, ratio],
      ["simulation of that consumer", simulated, simulatedOverMeasured],
    ],
    "ratio: the queue over HTTP; the simulation over the queue. Medians of three rounds of 200 pictures that no cache knows.",
  );
}

/** Lists the parameters of a simulation. */
export function parameterTable({ pictures: _, ...parameters }: Partial<Parameters>): Table {
  const rows = Object.entries(parameters).map(([name, value]) => [name, Number(value)]);
  return table("Parameters", ["name", "value"], rows, "docs/bucket.md says where they come from.");
}

/** Simulates each number of pictures. */
export function scaleTable(counts: readonly number[], parameters: Omit<Parameters, "pictures">): Table {
  const rows = counts.map((pictures) => {
    const outcome = simulateMany({ ...parameters, pictures });
    const items = bucketCost(pictures, parameters.cpuMs);
    const dollars = items.reduce((sum, item) => sum + item.dollars, 0);
    return [
      numberText(pictures),
      numberText(outcome.seconds / 3600),
      numberText(outcome.picturesPerSecond),
      numberText(outcome.consumers),
      shareText(outcome.databaseLoad),
      boundBy(outcome),
      moneyText(dollars),
    ];
  });
  return table(
    "Simulated",
    ["pictures", "hours", "per second", "consumers", "database busy", "bound by", "dollars"],
    rows,
    `Beyond ${numberText(maxSimulated)} pictures, the speed of the last ones continues. dollars: before the quantities that a month includes.`,
  );
}

/** Lists the cost of one number of pictures. */
export function bucketCostTable(pictures: number, cpuMs: number): Table {
  const items = bucketCost(pictures, cpuMs);
  const sum = (of: (item: (typeof items)[number]) => number) =>
    moneyText(items.reduce((total, item) => total + of(item), 0));
  return table(
    `Dollars for ${numberText(pictures)} pictures`,
    ["", "quantity", "dollars", "beyond the included"],
    [
      ...items.map(({ what, quantity, dollars, billed }) => [
        what,
        quantity,
        moneyText(dollars),
        moneyText(billed),
      ]),
      ["all", "", sum(({ dollars }) => dollars), sum(({ billed }) => billed)],
    ],
    `Prices of ${pricesRead}: ${[...priceSources, ...bucketPriceSources].join(" ")}`,
  );
}

/** The resource that is busy most of the time, if it is busy enough to be the limit. */
function boundBy({ databaseLoad, cpuLoad }: Outcome): string {
  if (databaseLoad > 0.9) return "database";
  return cpuLoad > 0.9 ? "CPU" : "CPU and latency";
}

/** Writes the report of a run: for the terminal, docs/performance.md and docs/scaling.md with their charts. */
import path from "node:path";
import { priceSources, pricesRead, type UnitCosts, unitCostsComment } from "../../cli/cost/prices.ts";
import { barSheet, type Curve, type LineChart, lineSheet } from "../../cli/plot/charts.ts";
import { mebibytesText, numberText, shareText } from "../../cli/plot/format.ts";
import { readProjectConfig } from "../../cli/store/platform-config.ts";
import { isolateBytes } from "../../src/limits.ts";
import { bucketTable } from "../bucket/tables.ts";
import {
  bullets,
  fillTemplate,
  heading,
  joined,
  MiB,
  machineLines,
  table,
  tableMarkdown,
  tableText,
  writeDocuments,
} from "../common/report.ts";
import * as cost from "../cost.ts";
import { figures } from "../figures.ts";
import { decoderNames, type Metric, modelSubjects, type SubjectName, subjects } from "../metrics.ts";
import { type GrowthName, medianOf, medians, type Series } from "../results.ts";
import type { Results } from "../run.ts";
import * as tables from "./tables.ts";
import { measuredValue } from "./tables.ts";

/** Load by other programs, in cores, above which the figures are unreliable. */
const busyLoad = 0.5;
/** Wall time over CPU time of one request. Above it, other programs must have used the cores. */
const busyFactor = 1.3;

const workloads: readonly cost.Workload[] = [
  { imagesPerDay: 10_000, hitRate: 0, coldRate: 0.1 },
  { imagesPerDay: 100_000, hitRate: 0, coldRate: 0.05 },
  cost.defaultWorkload,
  { imagesPerDay: 1e6, hitRate: 0.5, coldRate: 0.01 },
  { imagesPerDay: 1e6, hitRate: 0.9, coldRate: 0.01 },
  { imagesPerDay: 1e7, hitRate: 0.5, coldRate: 0.001 },
];

/** Returns the run, all tables, what failed and what is unfair. */
export function terminalReport(results: Results): string {
  const failures = failureLines(results);
  const { modelTable, pictureTable, headTable, stageTable, decoderTable, figureTable } = tables;
  const all = [modelTable, pictureTable, headTable, stageTable, decoderTable, figureTable];
  return joined(
    "\n\n",
    describeRun(results).join("\n"),
    ...all.map((make) => tableText(make(results))),
    results.bucket ? tableText(bucketTable(results.bucket)) : "",
    failures.length > 0 ? `${heading("Did not run")}\n${bullets(failures)}` : "",
    `${heading("What is unfair")}\n${bullets(unfairness(results))}`,
  );
}

/** Returns docs/performance.md. */
export function performanceDocument(results: Results): string {
  const failures = failureLines(results);
  const missed = figures(results).filter(({ value, bar, ifMissed }) => ifMissed && value > bar);
  const explanations = missed.map(({ what, ifMissed }) => `${what}: ${ifMissed}`);
  const [head, stages] = [tables.headTable(results), tables.stageTable(results)];
  const page = filled("performance", {
    run: bullets(describeRun(results)),
    figures: tableMarkdown(tables.figureTable(results)),
    missed: missed.length > 0 ? `Of the misses:\n\n${bullets(explanations)}` : "",
    models: tableMarkdown(tables.modelTable(results)),
    pictures: tableMarkdown(tables.pictureTable(results)),
    headTitle: head.title,
    head: tableMarkdown(head),
    stageTitle: stages.title,
    stages: tableMarkdown(stages),
    decoders: tableMarkdown(tables.decoderTable(results)),
    burst: results.burst ? burstText(results.burst) : "",
    growth: growthText(results),
    unfair: bullets(unfairness(results)),
    failures: bullets(failures),
  });
  return `${page}\n`;
}

/** Returns docs/scaling.md. @param refreshSeconds how often an isolate asks the bucket for the live version */
export function scalingDocument(results: Results, refreshSeconds: number): string {
  const [small, large] = [cost.unitCosts(results), cost.unitCosts(results, "12mp")];
  const factor = large && small ? numberText(large.missCpuMs / small.missCpuMs) : undefined;
  const page = filled("scaling", {
    date: results.startedAt.slice(0, 10),
    cost: small
      ? costText(
          { small, large, fallback: cost.unitCosts(results, "500x375", "ours-onnxruntime") },
          refreshSeconds,
        )
      : "CPU was not measured. That requires Linux.",
    ...isolateValues(results),
    large: factor ? `: 12 megapixels cost ${factor} times the CPU of 500x375` : "",
  });
  return `${page}\n`;
}

/** Writes the documents and charts into docs/. @returns the paths of the files, relative to the project */
export async function writeDocs(results: Results, folder?: string): Promise<string[]> {
  const refreshSeconds = Number(readProjectConfig().vars.MODEL_REFRESH_SECONDS ?? 60);
  const pages = {
    "performance.md": performanceDocument(results),
    "scaling.md": scalingDocument(results, refreshSeconds),
  };
  return writeDocuments(pages, plots(results), folder);
}

/** Returns one remark per line: first what is wrong with this run, then what is always unfair. */
export function unfairness({ samples, machine, mode }: Results): string[] {
  const floor = medianOf(samples, "ours", "floor");
  const [took, cpu] = [medianOf(samples, "ours", "warm:500x375"), medianOf(samples, "ours", "cpu:500x375")];
  const always = filled("unfair", {
    floor: Number.isNaN(floor) ? "" : `, ${numberText(floor)} ms for one that does nothing`,
    isolate: plainMemoryText(samples),
  });
  const ofThisRun = [
    mode === "quick" && "A quick run: few rounds and few repeats. `npm run bench` measures in full.",
    took > busyFactor * cpu &&
      `Something else ran meanwhile: a warm request that needs ${numberText(cpu)} ms of CPU took ${numberText(took)} ms. Measure again when the machine is quiet.`,
    machine.loadBefore > busyLoad &&
      `The machine was busy: other programs used ${numberText(machine.loadBefore)} of its ${machine.cores} cores before the run began.`,
  ];
  return [...ofThisRun.filter((remark) => remark !== false), ...always.replaceAll(/^- /gm, "").split("\n")];
}

/** Returns the machine, versions, pack and extent of a run, one line each. */
function describeRun({ machine, mode, startedAt, seconds, pack, samples }: Results): string[] {
  const rounds = 1 + Math.max(-1, ...samples.map(({ round }) => round));
  return [
    `Run: ${mode}, ${rounds} rounds, ${numberText(seconds / 60)} minutes, begun ${startedAt}, commit ${machine.commit}`,
    ...machineLines(machine),
    `Pack: ${pack.name}, int8, ${pack.shards} shards, ${numberText(pack.bytes / 1e6)} MB`,
  ];
}

function failureLines({ failures }: Results): string[] {
  return failures.map(({ what, reason }) => `${what}: ${reason}`);
}

function burstText(burst: NonNullable<Results["burst"]>): string {
  const mib = (bytes: number) => `${mebibytesText(bytes)} MiB`;
  const bodies = burst.photos.reduce((sum, { bytes }) => sum + bytes, 0);
  const answered = burst.statuses.filter((status) => status === 200).length;
  return `${burst.photos.map(({ name }) => name).join("; ")}: ${numberText(bodies / 1e6)} MB of bodies sent at once. The Worker answered ${answered} of ${burst.statuses.length} with 200, the last after ${numberText(burst.seconds)} s. The WASM memory is ${mib(burst.ortHeapBytes)}, the peak of the JS heap with its backing stores ${mib(burst.peakJsBytes)}. The whole workerd process, with its code and uncollected garbage, had at most ${mib(burst.peakProcessBytes)}.`;
}

function growthText({ growth }: Results): string {
  const { "input-size": input, "image-size": image, concurrency } = growth;
  const times = input?.filter(({ unit }) => unit === "ms") ?? [];
  return joined(
    "\n\n",
    input ? "![Curves: time and memory by input size](plots/input-size.svg)" : "",
    bullets(times.map(pixelText)),
    image ? "![Curves: time by image size](plots/image-size.svg)" : "",
    bullets(image?.map(slopeText) ?? []),
    concurrency
      ? "![Curves: time, throughput and memory by requests at once](plots/concurrency.svg)\n\nOne isolate has one thread: requests at once wait for each other. More in [scaling](scaling.md)."
      : "",
  );
}

/** Compares the ends of a curve over image sizes. */
function slopeText(series: Series): string {
  return compareEnds(series, (first, last) => {
    const slope = (last.y - first.y) / (last.x - first.x);
    return `${numberText(slope)} ms for each megapixel, from ${numberText(first.y)} ms at ${numberText(first.x)} to ${numberText(last.y)} ms at ${numberText(last.x)}`;
  });
}

/** Compares the ends of a curve over input sizes. Work grows with the input's area. */
function pixelText(series: Series): string {
  return compareEnds(series, (first, last) => {
    const [area, time] = [(last.x / first.x) ** 2, last.y / first.y];
    return `${numberText(first.y)} ms at ${first.x}, ${numberText(last.y)} ms at ${last.x}; ${numberText(area)} times the pixels for ${numberText(time)} times the time`;
  });
}

type Point = ReturnType<typeof medians>[number];

function compareEnds(series: Series, compare: (first: Point, last: Point) => string): string {
  const [first, last] = [medians(series)[0], medians(series).at(-1)];
  return first && last && first.x !== last.x ? `${series.name}: ${compare(first, last)}` : series.name;
}

interface CostsOfRun {
  readonly small: UnitCosts;
  readonly large: UnitCosts | undefined;
  /** Of small images with ENGINE = onnxruntime. */
  readonly fallback: UnitCosts | undefined;
}

function costText({ small: costs, large, fallback }: CostsOfRun, refreshSeconds: number): string {
  const images = [
    { name: "500x375 JPEGs", costs },
    ...(large ? [{ name: "12 MP JPEGs", costs: large }] : []),
    ...(fallback ? [{ name: "500x375 JPEGs, ENGINE = onnxruntime", costs: fallback }] : []),
  ];
  const readsPerIsolate = (cost.daysPerMonth * 24 * 60 * 60) / refreshSeconds;
  const { averageCpuMs, cpuShare } = cost.estimateMonth(cost.defaultWorkload, costs);
  const bill = cost.costTable(cost.defaultWorkload, costs);
  return filled("cost", {
    comment: unitCostsComment(costs),
    pricesRead: pricesRead,
    sources: priceSources.map((url) => `<${url}>`).join(", "),
    title: bill.title,
    table: tableMarkdown(bill),
    sensitivity: tableMarkdown(cost.sensitivityTable(workloads, images)),
    refreshSeconds,
    readsPerIsolate: numberText(readsPerIsolate),
    freeIsolates: numberText(cost.includedR2Reads / readsPerIsolate),
    cpuShare: shareText(cpuShare),
    average: numberText(averageCpuMs),
    freePlanCpuMs: cost.freePlanCpuMs,
    freePlan: averageCpuMs > cost.freePlanCpuMs ? "it is not enough" : "it may be enough",
  });
}

/** What one isolate can do, by the number of requests at once. Empty when it was not measured. */
function isolateValues({ growth: { concurrency = [] } }: Results) {
  const curves = concurrency.map((one) => ({ ...one, medians: medians(one) }));
  const throughput = curves.find(({ unit }) => unit === "images/s")?.medians ?? [];
  const isolates = table(
    "One isolate",
    ["requests at once", ...curves.map(({ name, unit }) => `${name}, ${unit}`)],
    throughput.map(({ x: count }) => [
      count,
      ...curves.map((curve) => curve.medians.find(({ x }) => x === count)?.y ?? Number.NaN),
    ]),
  );
  const best = throughput.length > 0 ? numberText(Math.max(...throughput.map(({ y }) => y))) : "";
  return { best, isolates: tableMarkdown(isolates) };
}

/** Describes the memory of the plain Workers, which nothing limits here. */
function plainMemoryText(samples: Results["samples"]): string {
  const held = (["plain-int8", "plain-fp32"] as const).flatMap((name) => {
    const bytes = medianOf(samples, name, "heap:wasm") + medianOf(samples, name, "heap:js");
    return Number.isNaN(bytes) ? [] : [`${mebibytesText(bytes)} MiB (${subjects[name].title})`];
  });
  if (held.length === 0) return "Deployed, an isolate that holds more is killed.";
  return `After its 12 MP photos the plain Worker's isolate held ${held.join(" and ")}, garbage included. A deployed one may hold 122.`;
}

/** Fills a template of this folder. */
function filled(name: string, values: Readonly<Record<string, string | number>>): string {
  return fillTemplate(path.join(import.meta.dirname, `${name}.template.md`), values);
}

/** Cloudflare's limit counts decimal megabytes. The axis shows MiB. */
const isolateMiB = isolateBytes / MiB;

/** Returns the SVG of each chart by its file name. Leaves out what was not measured. */
export function plots(results: Results): Map<string, string> {
  const drawn = new Map([["comparison.svg", comparison(results)]]);
  for (const [name, series] of Object.entries(results.growth)) {
    drawn.set(`${name}.svg`, growthSheets[name as GrowthName](series));
  }
  return drawn;
}

function comparison(results: Results): string {
  const chart = (title: string, unit: string, names: readonly SubjectName[], metric: Metric) => ({
    title,
    unit,
    bars: names
      .map((name) => ({
        name: subjects[name].title,
        value: measuredValue(results, name, metric),
        own: name.endsWith("ours"),
      }))
      .filter(({ value }) => !Number.isNaN(value)),
  });
  const decoders = decoderNames.map((name) => `decode-${name}` as const);
  const limit = { value: isolateMiB, label: "the isolate's 128 MB" };
  return barSheet("edge-resnet compared with the alternatives", [
    chart("First answer of a fresh process", "ms", modelSubjects, "cold"),
    chart("One forward pass, warm, one thread", "ms", modelSubjects, "run"),
    { ...chart("WASM memory in the Worker", "MiB", modelSubjects, "heap:wasm"), limit },
    chart("12-megapixel baseline JPEG to tensor", "ms", decoders, "tensor:12mp"),
  ]);
}

const growthSheets: Readonly<Record<GrowthName, (series: readonly Series[]) => string>> = {
  "input-size": (series) => {
    const axes = { xLabel: "model input, pixels of a side", x: "linear", y: "linear" } as const;
    return lineSheet("How cost grows with the model's input", [
      chartOf(series, "Time by input size", "ms", axes),
      chartOf(series, "Memory by input size", "MiB", axes),
    ]);
  },
  "image-size": (series) => {
    const axes = { xLabel: "image, megapixels", x: "log", y: "log" } as const;
    return lineSheet("How cost grows with the image", [
      chartOf(series, "Time by image size, both axes logarithmic", "ms", axes),
    ]);
  },
  concurrency: (series) => {
    const axes = { xLabel: "requests at once", x: "log2", y: "linear" } as const;
    const limit = { y: isolateMiB, label: "128 MB" };
    return lineSheet("How cost grows with requests at once", [
      chartOf(series, "Time to answer by requests at once", "ms", axes),
      chartOf(series, "Throughput of one isolate", "images/s", axes),
      chartOf(series, "Memory of the isolate", "MiB", { ...axes, limit }),
    ]);
  },
};

/** Draws the curves of one unit. */
function chartOf(
  series: readonly Series[],
  title: string,
  unit: Series["unit"],
  axes: Pick<LineChart, "xLabel" | "x" | "y" | "limit">,
): LineChart {
  const ofUnit = series.filter((one) => one.unit === unit && one.points.length > 0);
  const curves = ofUnit.map((one): Curve => ({ name: one.name, points: medians(one) }));
  return { ...axes, title, yLabel: unit, curves };
}

/** Draws the charts of the documents. */

import { type BarChart, barSheet, type Curve, type LineChart, lineSheet } from "../../cli/plot/charts.ts";
import type { GrowthName, Results } from "../results/results.ts";
import { summarise } from "../results/samples.ts";
import { medians, type Series } from "../series.ts";
import { decoderNames, metrics, modelSubjects, type SubjectName, subjects } from "../subjects.ts";

/** Cloudflare's limit counts decimal megabytes; the axis shows MiB. */
const isolateMiB = 128e6 / 2 ** 20;

/** Returns the SVG of each chart by its file name. Leaves out what was not measured. */
export function plots(results: Results): Map<string, string> {
  const drawn = new Map([["comparison.svg", comparison(results)]]);
  const draw: Record<GrowthName, (series: readonly Series[]) => string> = {
    "input-size": inputSize,
    "image-size": imageSize,
    concurrency,
  };
  for (const [name, series] of Object.entries(results.growth)) {
    drawn.set(`${name}.svg`, draw[name as GrowthName](series));
  }
  return drawn;
}

function comparison(results: Results): string {
  const chart = (
    title: string,
    unit: string,
    entries: readonly [SubjectName, string][],
    limit?: BarChart["limit"],
  ) => ({
    title,
    unit,
    bars: entries.flatMap(([name, metric]) => {
      const found = summarise(results.samples, name, metric);
      if (!found) return [];
      const value = found.unit === "bytes" ? found.median / 2 ** 20 : found.median;
      return [{ name: subjects[name].title, value, own: name.endsWith("ours") }];
    }),
    ...(limit ? { limit } : {}),
  });
  const ofAll = (metric: string) => modelSubjects.map((name): [SubjectName, string] => [name, metric]);
  const runs = ofAll(metrics.run).map(([name, metric]): [SubjectName, string] => [
    name,
    name === "ours" ? metrics.stage("run") : metric,
  ]);
  const decoders = decoderNames.map((name): [SubjectName, string] => [
    `decode-${name}`,
    metrics.tensor("12mp"),
  ]);
  const workers = ofAll(metrics.wasmHeap);
  return barSheet("edge-resnet beside what else could be run", [
    chart("First answer of a fresh process", "ms", ofAll(metrics.cold)),
    chart("One forward pass, warm, one thread", "ms", runs),
    chart("WASM heap of ONNX Runtime in the Worker", "MiB", workers, {
      value: isolateMiB,
      label: "the isolate's 128 MB",
    }),
    chart("12-megapixel baseline JPEG to tensor", "ms", decoders),
  ]);
}

function inputSize(series: readonly Series[]): string {
  const x = { xLabel: "model input, pixels of a side", x: "linear", y: "linear" } as const;
  return lineSheet("How cost grows with the model's input", [
    { ...x, title: "Time by input size", yLabel: "ms", curves: curves(series, "ms") },
    { ...x, title: "Memory by input size", yLabel: "MiB", curves: curves(series, "MiB") },
  ]);
}

function imageSize(series: readonly Series[]): string {
  const chart: LineChart = {
    title: "Time by image size, both axes logarithmic",
    xLabel: "image, megapixels",
    yLabel: "ms",
    x: "log",
    y: "log",
    curves: curves(series, "ms"),
  };
  return lineSheet("How cost grows with the image", [chart]);
}

function concurrency(series: readonly Series[]): string {
  const x = { xLabel: "requests at once", x: "log2", y: "linear" } as const;
  const limit = { y: isolateMiB, label: "128 MB" };
  return lineSheet("How cost grows with requests at once", [
    { ...x, title: "Time to answer by requests at once", yLabel: "ms", curves: curves(series, "ms") },
    { ...x, title: "Throughput of one isolate", yLabel: "images/s", curves: curves(series, "images/s") },
    { ...x, title: "Memory of the isolate", yLabel: "MiB", curves: curves(series, "MiB"), limit },
  ]);
}

function curves(series: readonly Series[], unit: Series["unit"]): Curve[] {
  return series
    .filter((one) => one.unit === unit && one.points.length > 0)
    .map((one) => ({ name: one.name, points: medians(one) }));
}

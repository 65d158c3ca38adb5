/** Draws the charts of the documents. */
import { barSheet, type Curve, type LineChart, lineSheet } from "../../cli/plot/charts.ts";
import { isolateBytes } from "../../src/limits.ts";
import { MiB } from "../common/report.ts";
import { decoderNames, type Metric, modelSubjects, type SubjectName, subjects } from "../metrics.ts";
import { type GrowthName, medians, type Series } from "../results.ts";
import type { Results } from "../run.ts";
import { measuredValue } from "./tables.ts";

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
    { ...chart("WASM heap of ONNX Runtime in the Worker", "MiB", modelSubjects, "heap:wasm"), limit },
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

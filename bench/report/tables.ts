/** The tables of the report. The terminal and the documents print the same ones. */
import { benchHeadClasses } from "../../cli/head/random-head.ts";
import { mebibytesText, numberText } from "../../cli/plot/format.ts";
import type { Table } from "../measure/table.ts";
import { pictureNames } from "../plan.ts";
import { type Figure, figures, verdict } from "../results/figures.ts";
import type { Results } from "../results/results.ts";
import { summarise } from "../results/samples.ts";
import { decoderNames, headRequests, metrics, modelSubjects, stages, subjects } from "../subjects.ts";

const none = "–";

/** The figures to reach, with their verdicts. */
export function figureTable(results: Results): Table {
  const rows = figures(results).map((figure) => [
    verdict(figure),
    figure.what,
    withUnit(figure.value, figure.unit),
    withUnit(figure.bar, figure.unit),
    figure.objection ?? figure.from,
  ]);
  return {
    title: "Figures to reach",
    head: ["", "what", "measured", "at most", "from"],
    rows,
    right: [2, 3],
  };
}

/** Every runtime on the same model. */
export function modelTable(results: Results): Table {
  const columns: Readonly<Record<string, string>> = {
    "cold ms": metrics.cold,
    "run ms": metrics.run,
    "500x375 ms": metrics.warm("500x375"),
    "12 MP ms": metrics.warm("12mp"),
    "WASM heap MiB": metrics.wasmHeap,
    "JS heap MiB": metrics.jsHeap,
    "process MiB": metrics.peakProcess,
  };
  const metricOf = (subject: string, metric: string) =>
    subject === "ours" && metric === metrics.run ? metrics.stage("run") : metric;
  return {
    title: "The same ResNet34 at 224x224, one thread",
    head: ["", "runs in", ...Object.keys(columns)],
    rows: modelSubjects.map((name) => [
      subjects[name].title,
      subjects[name].where,
      ...Object.values(columns).map((metric) => cell(results, name, metricOf(name, metric))),
    ]),
    right: [2, 3, 4, 5, 6, 7, 8],
    note: "cold: first answer of a fresh process; run: one forward pass on a prepared tensor; then a warm JPEG to its answer. JS heap: at the end, including garbage that is not collected yet. process: largest resident size (VmHWM).",
  };
}

/** Our Worker's requests, end to end. */
export function pictureTable(results: Results): Table {
  const row = (what: string, bytes: string, time: string, cpu: string) => {
    const summary = summarise(results.samples, "ours", time);
    const spread = summary ? `${numberText(summary.min)} to ${numberText(summary.max)}` : none;
    return [what, bytes, cell(results, "ours", time), spread, cell(results, "ours", cpu)];
  };
  const pictures = pictureNames.map((name) => {
    const picture = results.pictures.find((candidate) => candidate.name === name);
    const kind = picture?.progressive ? "progressive" : "baseline";
    const what = picture ? `${picture.width}x${picture.height}, ${kind}` : name;
    const kilobytes = numberText((picture?.bytes ?? Number.NaN) / 1000);
    return row(what, kilobytes, metrics.warm(name), metrics.warmCpu(name));
  });
  return {
    title: "edge-resnet in workerd, end to end",
    head: ["request", "kB", "ms", "rounds", "CPU ms"],
    rows: [
      row("first one, 500x375", "", metrics.cold, metrics.coldCpu),
      ...pictures,
      row("cache hit, 500x375", "", metrics.hit, metrics.hitCpu),
      row("eight at once, 500x375, all", "", metrics.eight, ""),
      row("nothing (/healthz)", "", metrics.floor, ""),
    ],
    right: [1, 2, 3, 4],
    note: "ms: by the caller's clock. rounds: smallest and largest of the rounds' medians. CPU: all threads of the workerd process.",
  };
}

/** The cost of a head. Older runs did not measure it and have dashes. */
export function headTable({ samples }: Results): Table {
  return {
    title: `What a head of ${benchHeadClasses} classes adds, 500x375`,
    head: ["request", "with the head, ms", "without, ms", "ratio"],
    rows: headRequests.map((kind) => {
      const [head = Number.NaN, plain = Number.NaN] = (["head", "plain"] as const).map(
        (asked) => summarise(samples, "ours", metrics.head(kind, asked))?.median,
      );
      return [`cache ${kind}`, ...[head, plain, head / plain].map(numberText)];
    }),
    right: [1, 2, 3],
    note: "medians, by the caller's clock, alternating; with unknown=true.",
  };
}

/** The stages of one request. */
export function stageTable(results: Results): Table {
  return {
    title: "Where a warm 500x375 JPEG spends its time, ms",
    head: [...stages],
    rows: [stages.map((stage) => cell(results, "ours", metrics.stage(stage)))],
    right: [...stages.keys()],
  };
}

/** The JPEG decoders. */
export function decoderTable(results: Results): Table {
  const names = pictureNames.filter((name) =>
    results.samples.some(({ metric }) => metric === metrics.tensor(name)),
  );
  const titles = names.map((name) => name.replace("mp", " MP").replace("-", ", "));
  const head = ["", ...titles, "12 MP, pixels only", "differs by", "process MiB"];
  return {
    title: "JPEG to the 224x224 tensor, ms",
    head,
    rows: decoderNames.map((name) => {
      const subject = `decode-${name}` as const;
      return [
        `${subjects[subject].title} (${subjects[subject].where})`,
        ...names.map((picture) => cell(results, subject, metrics.tensor(picture))),
        cell(results, subject, metrics.decode("12mp")),
        numberText(results.decodeAgreement[name] ?? Number.NaN),
        cell(results, subject, metrics.peakProcess),
      ];
    }),
    right: [...head.keys()].slice(1),
    note: "differs by: mean difference of the 12 MP tensor from jpeg-js's, in levels of 0 to 255.",
  };
}

/** All tables, in the order of the report. */
export function allTables(results: Results): Table[] {
  return [modelTable, pictureTable, headTable, stageTable, decoderTable, figureTable].map((make) =>
    make(results),
  );
}

function withUnit(value: number | undefined, unit: Figure["unit"]): string {
  if (value === undefined || Number.isNaN(value)) return none;
  return unit === "MiB" ? `${numberText(value)} MiB` : numberText(value);
}

function cell({ samples }: Results, subject: string, metric: string): string {
  const { unit, median = Number.NaN } = summarise(samples, subject, metric) ?? {};
  return unit === "bytes" ? mebibytesText(median) : numberText(median);
}

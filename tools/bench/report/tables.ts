/** The tables of the report, from the results: the terminal and the documents print the same ones. Pure. */

import { benchHeadClasses } from "../../head/random-head.ts";
import type { Table } from "../../measure/table.ts";
import { mebibytesText, numberText } from "../../plot/format.ts";
import { pictureNames } from "../plan.ts";
import { type Figure, figures, verdict } from "../results/figures.ts";
import type { Results } from "../results/results.ts";
import { type Summary, summarise } from "../results/samples.ts";
import {
  decoderNames,
  type HeadRequest,
  headRequests,
  metrics,
  modelSubjects,
  stages,
  subjects,
} from "../subjects.ts";

const none = "–";

export function figureTable(results: Results): Table {
  return {
    title: "Figures to reach",
    head: ["", "what", "measured", "at most", "from"],
    rows: figures(results).map((figure) => [
      verdict(figure),
      figure.what,
      withUnit(figure.value, figure.unit),
      withUnit(figure.bar, figure.unit),
      figure.objection ?? figure.from,
    ]),
    right: [2, 3],
  };
}

export function modelTable(results: Results): Table {
  const cell = cellsOf(results);
  return {
    title: "The same ResNet34 at 224x224, one thread",
    head: [
      "",
      "runs in",
      "cold ms",
      "run ms",
      "500x375 ms",
      "12 MP ms",
      "WASM heap MiB",
      "JS heap MiB",
      "process MiB",
    ],
    rows: modelSubjects.map((name) => [
      subjects[name].title,
      subjects[name].where,
      cell(name, metrics.cold),
      cell(name, name === "ours" ? metrics.stage("run") : metrics.run),
      cell(name, metrics.warm("500x375")),
      cell(name, metrics.warm("12mp")),
      cell(name, metrics.wasmHeap),
      cell(name, metrics.jsHeap),
      cell(name, metrics.peakProcess),
    ]),
    right: [2, 3, 4, 5, 6, 7, 8],
    note: "cold: first answer of a fresh process; run: one forward pass on a ready tensor; then a warm JPEG to its answer. JS heap: after all of it, garbage that is not collected yet included. process: most resident bytes (VmHWM).",
  };
}

export function pictureTable(results: Results): Table {
  const cell = cellsOf(results);
  const row = (what: string, bytes: string, time: string, cpu: string) => [
    what,
    bytes,
    cell("ours", time),
    spread(summarise(results.samples, "ours", time)),
    cell("ours", cpu),
  ];
  const pictures = pictureNames.map((name) => {
    const picture = results.pictures.find((candidate) => candidate.name === name);
    const kind = picture?.progressive ? "progressive" : "baseline";
    const what = picture ? `${picture.width}x${picture.height}, ${kind}` : name;
    return row(
      what,
      numberText((picture?.bytes ?? Number.NaN) / 1000),
      metrics.warm(name),
      metrics.warmCpu(name),
    );
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
    note: "ms: by the caller's clock. rounds: least and largest of the rounds' medians. CPU: all threads of the workerd process.",
  };
}

/** Dashes where a run did not measure it: older ones did not. */
export function headTable(results: Results): Table {
  const median = (kind: HeadRequest, asked: "head" | "plain") =>
    summarise(results.samples, "ours", metrics.head(kind, asked))?.median ?? Number.NaN;
  return {
    title: `What a head of ${benchHeadClasses} classes adds, 500x375`,
    head: ["request", "with the head, ms", "without, ms", "ratio"],
    rows: headRequests.map((kind) => {
      const [head, plain] = [median(kind, "head"), median(kind, "plain")];
      return [`cache ${kind}`, numberText(head), numberText(plain), numberText(head / plain)];
    }),
    right: [1, 2, 3],
    note: "medians, by the caller's clock, in turns; with unknown=true.",
  };
}

export function stageTable(results: Results): Table {
  const cell = cellsOf(results);
  return {
    title: "Where a warm 500x375 JPEG spends its time, ms",
    head: [...stages],
    rows: [stages.map((stage) => cell("ours", metrics.stage(stage)))],
    right: stages.map((_, i) => i),
  };
}

export function decoderTable(results: Results): Table {
  const cell = cellsOf(results);
  const names = pictureNames.filter((name) =>
    results.samples.some(({ metric }) => metric === metrics.tensor(name)),
  );
  return {
    title: "JPEG to the 224x224 tensor, ms",
    head: ["", ...names.map(pictureTitle), "12 MP, pixels only", "differs by", "process MiB"],
    rows: decoderNames.map((name) => {
      const subject = `decode-${name}` as const;
      const difference = results.decodeAgreement[name];
      return [
        `${subjects[subject].title} (${subjects[subject].where})`,
        ...names.map((picture) => cell(subject, metrics.tensor(picture))),
        cell(subject, metrics.decode("12mp")),
        difference === undefined ? none : numberText(difference),
        cell(subject, metrics.peakProcess),
      ];
    }),
    right: [...names, "", "", ""].map((_, i) => i + 1),
    note: "differs by: mean difference of the 12 MP tensor from jpeg-js's, in levels of 0 to 255.",
  };
}

export function allTables(results: Results): Table[] {
  return [modelTable, pictureTable, headTable, stageTable, decoderTable, figureTable].map((make) =>
    make(results),
  );
}

function pictureTitle(name: string): string {
  return name.replace("mp", " MP").replace("-", ", ");
}

function withUnit(value: number | undefined, unit: Figure["unit"]): string {
  if (value === undefined || Number.isNaN(value)) return none;
  return unit === "MiB" ? `${numberText(value)} MiB` : numberText(value);
}

function cellsOf({ samples }: Results): (subject: string, metric: string) => string {
  return (subject, metric) => {
    const found = summarise(samples, subject, metric);
    if (!found) return none;
    return found.unit === "bytes" ? mebibytesText(found.median) : numberText(found.median);
  };
}

function spread(summary: Summary | undefined): string {
  return summary ? `${numberText(summary.min)} to ${numberText(summary.max)}` : none;
}

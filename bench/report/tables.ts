/** The tables of the report. The terminal and the documents print the same ones. */
import { benchHeadClasses } from "../../cli/head/random-head.ts";
import { numberText } from "../../cli/plot/format.ts";
import { MiB, type Table, table } from "../common/report.ts";
import { figures, verdict } from "../figures.ts";
import { decoderNames, headRequests, type Metric, modelSubjects, stages, subjects } from "../metrics.ts";
import { pictureNames } from "../plan.ts";
import { medianOf, summarise } from "../results.ts";
import type { Results } from "../run.ts";

/** The figures to reach, with their verdicts. */
export function figureTable(results: Results): Table {
  const rows = figures(results).map((figure) => {
    const withUnit = (value: number) => `${numberText(value)}${figure.unit === "MiB" ? " MiB" : ""}`;
    const measured = Number.isNaN(figure.value) ? "–" : withUnit(figure.value);
    return [verdict(figure), figure.what, measured, withUnit(figure.bar), figure.objection ?? figure.from];
  });
  return table("Figures to reach", ["", "what", "measured", "at most", "from"], rows);
}

/** Every runtime on the same model. */
export function modelTable(results: Results): Table {
  const columns: Readonly<Record<string, Metric>> = {
    "cold ms": "cold",
    "run ms": "run",
    "500x375 ms": "warm:500x375",
    "12 MP ms": "warm:12mp",
    "WASM heap MiB": "heap:wasm",
    "JS heap MiB": "heap:js",
    "process MiB": "peak:process",
  };
  return table(
    "The same ResNet34 at 224x224, one thread",
    ["", "runs in", ...Object.keys(columns)],
    modelSubjects.map((name) => [
      subjects[name].title,
      subjects[name].where,
      ...Object.values(columns).map((metric) => measuredValue(results, name, metric)),
    ]),
    "cold: first answer of a fresh process; run: one forward pass on a prepared tensor; then a warm JPEG to its answer. JS heap: at the end, including garbage that is not collected yet. process: largest resident size (VmHWM).",
  );
}

/** Our Worker's requests, end to end. */
export function pictureTable(results: Results): Table {
  const row = (what: string, kilobytes: number | "", time: Metric, cpu?: Metric) => {
    const summary = summarise(results.samples, "ours", time);
    const spread = summary ? `${numberText(summary.min)} to ${numberText(summary.max)}` : "–";
    const cpuMs = cpu ? measuredValue(results, "ours", cpu) : Number.NaN;
    return [what, kilobytes, measuredValue(results, "ours", time), spread, cpuMs];
  };
  const pictures = pictureNames.map((name) => {
    const picture = results.pictures.find((candidate) => candidate.name === name);
    const kind = picture?.progressive ? "progressive" : "baseline";
    const what = picture ? `${picture.width}x${picture.height}, ${kind}` : name;
    return row(what, (picture?.bytes ?? Number.NaN) / 1000, `warm:${name}`, `cpu:${name}`);
  });
  return table(
    "edge-resnet in workerd, end to end",
    ["request", "kB", "ms", "rounds", "CPU ms"],
    [
      row("first one, 500x375", "", "cold", "cpu:cold"),
      ...pictures,
      row("cache hit, 500x375", "", "hit", "cpu:hit"),
      row("eight at once, 500x375, all", "", "eight"),
      row("nothing (/healthz)", "", "floor"),
    ],
    "ms: by the caller's clock. rounds: smallest and largest of the rounds' medians. CPU: all threads of the workerd process.",
  );
}

/** The cost of a head. */
export function headTable(results: Results): Table {
  return table(
    `What a head of ${benchHeadClasses} classes adds, 500x375`,
    ["request", "with the head, ms", "without, ms", "ratio"],
    headRequests.map((kind) => {
      const head = measuredValue(results, "ours", `head:${kind}`);
      const plain = measuredValue(results, "ours", `plain:${kind}`);
      return [`cache ${kind}`, head, plain, head / plain];
    }),
    "medians, by the caller's clock, alternating; with unknown=true.",
  );
}

/** The stages of one request. */
export function stageTable(results: Results): Table {
  const row = stages.map((stage) => measuredValue(results, "ours", `stage:${stage}`));
  return table("Where a warm 500x375 JPEG spends its time, ms", stages, [row]);
}

/** The JPEG decoders. */
export function decoderTable(results: Results): Table {
  const names = pictureNames.filter((name) =>
    results.samples.some(({ values }) => values[`tensor:${name}`] !== undefined),
  );
  const titles = names.map((name) => name.replace("mp", " MP").replace("-", ", "));
  return table(
    "JPEG to the 224x224 tensor, ms",
    ["", ...titles, "12 MP, pixels only", "differs by", "process MiB"],
    decoderNames.map((name) => {
      const subject = `decode-${name}` as const;
      return [
        `${subjects[subject].title} (${subjects[subject].where})`,
        ...names.map((picture) => measuredValue(results, subject, `tensor:${picture}`)),
        measuredValue(results, subject, "decode:12mp"),
        results.decodeAgreement[name] ?? Number.NaN,
        measuredValue(results, subject, "peak:process"),
      ];
    }),
    "differs by: mean difference of the 12 MP tensor from jpeg-js's, in levels of 0 to 255.",
  );
}

/** Returns a median: milliseconds, MiB or a count. Our Workers time their forward pass as a stage of a request. */
export function measuredValue({ samples }: Results, subject: string, metric: Metric): number {
  const measured = subject.startsWith("ours") && metric === "run" ? "stage:run" : metric;
  return medianOf(samples, subject, measured) / (/^(heap|peak):/.test(metric) ? MiB : 1);
}

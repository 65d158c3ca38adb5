/** docs/performance.md from the results. Pure. */

import { listMarkdown, tableMarkdown } from "../../measure/markdown.ts";
import { numberText } from "../../plot/format.ts";
import { describeRun } from "../report/describe.ts";
import {
  decoderTable,
  figureTable,
  headTable,
  modelTable,
  pictureTable,
  stageTable,
} from "../report/tables.ts";
import { unfairness } from "../report/unfair.ts";
import { figures } from "../results/figures.ts";
import type { Results } from "../results/results.ts";
import { medians, type Series } from "../series.ts";

export function performanceDocument(results: Results): string {
  const { burst, failures } = results;
  const section = (title: string, ...parts: readonly string[]) => [`## ${title}`, ...parts];
  const paragraphs = [
    "# Performance",
    "Written by `npm run bench -- --write-docs` from one run of `npm run bench`: everything on the same weights, the same inputs and the same machine, each subject in a fresh process, the order reversed every other round. All values are medians of the rounds' medians.",
    listMarkdown(describeRun(results)),
    ...section("Figures", tableMarkdown(figureTable(results))),
    ...missedText(results),
    ...section(
      "Beside what else could be run",
      "![Bars: cold start, forward pass, WASM heap and decoding of every subject](plots/comparison.svg)",
      tableMarkdown(modelTable(results)),
    ),
    ...section(
      "End to end",
      tableMarkdown(pictureTable(results)),
      `${headTable(results).title}:`,
      tableMarkdown(headTable(results)),
      `${stageTable(results).title}:`,
      tableMarkdown(stageTable(results)),
    ),
    ...section("Decoding", tableMarkdown(decoderTable(results))),
    ...(burst ? section("Eight large photos at once", burstText(burst)) : []),
    ...section("How cost grows", ...growthText(results)),
    ...section("What is unfair", listMarkdown(unfairness(results))),
    ...(failures.length > 0
      ? section("What did not run", listMarkdown(failures.map(({ what, reason }) => `${what}: ${reason}`)))
      : []),
    ...section(
      "Measure it yourself",
      "<!-- command: takes many minutes -->",
      "```sh\nnpm run bench               # about a quarter of an hour\nnpm run bench -- --quick    # about three minutes\nnpm run bench -- --write-docs\n```",
      "Raw rounds are in `bench-results/`. Leave the machine alone meanwhile.",
    ),
  ];
  return `${paragraphs.join("\n\n")}\n`;
}

function missedText(results: Results): string[] {
  const missed = figures(results).filter(
    ({ value, bar, ifMissed }) => ifMissed !== undefined && value !== undefined && value > bar,
  );
  if (missed.length === 0) return [];
  return ["Of the misses:", listMarkdown(missed.map(({ what, ifMissed }) => `${what}: ${ifMissed}`))];
}

function burstText(burst: NonNullable<Results["burst"]>): string {
  const mib = (bytes: number) => `${numberText(bytes / 2 ** 20)} MiB`;
  const bodies = burst.photos.reduce((sum, { bytes }) => sum + bytes, 0);
  const answered = burst.statuses.filter((status) => status === 200).length;
  return `${burst.photos.map(({ name }) => name).join("; ")}: ${numberText(bodies / 1e6)} MB of bodies sent at once, ${answered} of ${burst.statuses.length} answered 200, the last after ${numberText(burst.seconds)} s. ORT's heap ${mib(burst.ortHeapBytes)}, peak of the JS heap with its backing stores ${mib(burst.peakJsBytes)}. The whole workerd process, its code and uncollected garbage included, had at most ${mib(burst.peakProcessBytes)}.`;
}

function growthText({ growth }: Results): string[] {
  const image = growth["image-size"]?.map((series) => slopeText(series, "megapixel")) ?? [];
  const input = growth["input-size"]?.filter(({ unit }) => unit === "ms").map(pixelText) ?? [];
  return [
    ...(growth["input-size"]
      ? [`![Curves: time and memory by input size](plots/input-size.svg)`, listMarkdown(input)]
      : []),
    ...(growth["image-size"]
      ? [`![Curves: time by image size](plots/image-size.svg)`, listMarkdown(image)]
      : []),
    ...(growth.concurrency
      ? [
          "![Curves: time, throughput and memory by requests at once](plots/concurrency.svg)",
          "One isolate has one thread: requests at once wait for each other. More in [scaling](scaling.md).",
        ]
      : []),
  ];
}

function slopeText(series: Series, unit: string): string {
  const points = medians(series);
  const [first, last] = [points[0], points.at(-1)];
  if (!first || !last || first.x === last.x) return series.name;
  const slope = (last.y - first.y) / (last.x - first.x);
  return `${series.name}: ${numberText(slope)} ms for each ${unit}, from ${numberText(first.y)} ms at ${numberText(first.x)} to ${numberText(last.y)} ms at ${numberText(last.x)}`;
}

/** Work grows with the input's area. */
function pixelText(series: Series): string {
  const [first, last] = [medians(series)[0], medians(series).at(-1)];
  if (!first || !last || first.x === last.x) return series.name;
  const [area, time] = [(last.x / first.x) ** 2, last.y / first.y];
  return `${series.name}: ${numberText(first.y)} ms at ${first.x}, ${numberText(last.y)} ms at ${last.x}; ${numberText(area)} times the pixels for ${numberText(time)} times the time`;
}
